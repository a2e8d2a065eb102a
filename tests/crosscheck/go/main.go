// Command crosscheck checks exported logs by golang.org/x/mod/sumdb, which shares no code with the node.
//
//	crosscheck [-quorum] [-seen NOTE]... FOLDER...
//	crosscheck -split FILE...
//
// Each folder is an export (checkpoint, tile/, log.vkey ...). For each one line is printed: `ok` with what
// was checked, or `refused` with the first thing that is wrong. Exit codes: 0 all are right, 1 one is
// refused, 2 it was called wrongly. With -split each is the proof that a log's owner signed two histories,
// and the log's key lies beside it with `.vkey` at the end of its name.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

// notes are the files named by -seen.
type notes []string

func (n *notes) String() string { return strings.Join(*n, " ") }

func (n *notes) Set(file string) error {
	*n = append(*n, file)
	return nil
}

func main() {
	var seen notes
	flag.Var(&seen, "seen", "a `NOTE` of the same log that was seen earlier: it must be a prefix")
	quorum := flag.Bool("quorum", false, "refuse a checkpoint that the quorum of `policy` did not cosign")
	split := flag.Bool("split", false, "check proofs of two histories")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	code := 0
	for _, folder := range flag.Args() {
		counts, err := "", error(nil)
		if *split {
			counts, err = checkSplit(folder)
		} else {
			counts, err = check(folder, seen, *quorum)
		}
		if err != nil {
			code = 1
			fmt.Printf("refused %s: %v\n", folder, err)
		} else {
			fmt.Printf("ok %s %s\n", folder, counts)
		}
	}
	os.Exit(code)
}
