package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// side is one of the two histories: the root of the prefix, and the signed head that it leads to.
type side struct {
	root  tlog.Hash
	proof tlog.TreeProof
	head  tlog.Tree
}

// checkSplit checks the proof that a log's owner signed two histories: two heads by its key, whose first
// `size` entries have two roots. Nothing else is needed to believe it: neither log nor node.
func checkSplit(file string) (string, error) {
	vkey, err := os.ReadFile(file + ".vkey")
	if err != nil {
		return "", err
	}
	log, err := note.NewVerifier(strings.TrimSuffix(string(vkey), "\n"))
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	rest, size, err := number(string(data), "datacoop/split/v1\nsize ")
	if err != nil {
		return "", err
	}
	sides := strings.Split("\n"+rest, "\nroot ")
	if len(sides) != 3 || sides[0] != "" {
		return "", fmt.Errorf("%d histories, not two", len(sides)-1)
	}
	var read [2]side
	for i, text := range sides[1:] {
		if i == 0 {
			text += "\n" // The separator's.
		}
		if read[i], err = readSide(text, log); err != nil {
			return "", fmt.Errorf("history %d: %v", i+1, err)
		}
		if err = leads(read[i], size); err != nil {
			return "", fmt.Errorf("history %d: %v", i+1, err)
		}
	}
	if read[0].root == read[1].root {
		return "", fmt.Errorf("both histories begin with the same %d entries", size)
	}
	return fmt.Sprintf("size=%d heads=%d,%d", size, read[0].head.N, read[1].head.N), nil
}

// leads says whether the side's root is that of its head's first entries.
func leads(s side, size int64) error {
	if s.head.N == size {
		if len(s.proof) > 0 || s.root != s.head.Hash {
			return fmt.Errorf("the root is not its head's")
		}
		return nil
	}
	return tlog.CheckTree(s.proof, s.head.N, s.head.Hash, size, s.root)
}

func number(text, label string) (string, int64, error) {
	line, rest, _ := strings.Cut(strings.TrimPrefix(text, label), "\n")
	n, err := strconv.ParseInt(line, 10, 64)
	if err != nil || !strings.HasPrefix(text, label) || strconv.FormatInt(n, 10) != line {
		return "", 0, fmt.Errorf("it begins otherwise")
	}
	return rest, n, nil
}

func readHash(line string) (tlog.Hash, error) {
	var hash tlog.Hash
	data, err := hex.DecodeString(line)
	if err != nil || copy(hash[:], data) != tlog.HashSize || len(data) != tlog.HashSize || hex.EncodeToString(data) != line {
		return hash, fmt.Errorf("`%s` is no hash", line)
	}
	return hash, nil
}

func readSide(text string, log note.Verifier) (side, error) {
	lines, head, found := strings.Cut(text, "\nhead\n")
	if !found {
		return side{}, fmt.Errorf("no head")
	}
	var s side
	var err error
	for i, line := range strings.Split(lines, "\n") {
		if i == 0 {
			s.root, err = readHash(line)
		} else {
			given := strings.TrimPrefix(line, "proof ")
			if given == line {
				return side{}, fmt.Errorf("`%s` is no line of a proof", line)
			}
			var hash tlog.Hash
			hash, err = readHash(given)
			s.proof = append(s.proof, hash)
		}
		if err != nil {
			return side{}, err
		}
	}
	s.head, _, err = openCheckpoint([]byte(head), log, nil)
	return s, err
}
