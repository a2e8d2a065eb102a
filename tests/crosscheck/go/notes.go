package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// kindCosignature is the key type of a witness: c2sp.org/tlog-cosignature. x/mod knows type 1 only.
const kindCosignature = 4

// cosigner verifies one witness's lines: u64be time || Ed25519 signature.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func (c *cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	signed := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
	return ed25519.Verify(c.key, signed, signature[8:])
}

// newCosigner reads a verifier key of type 4.
func newCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("`%s` is no verifier key", vkey)
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != kindCosignature {
		return nil, fmt.Errorf("the key of `%s` is no cosignature key", parts[0])
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if fmt.Sprintf("%x", sum[:4]) != parts[1] {
		return nil, fmt.Errorf("the id of `%s` is not that of its key", parts[0])
	}
	return &cosigner{parts[0], binary.BigEndian.Uint32(sum[:4]), key[1:]}, nil
}

// readTree reads a checkpoint's text. ParseTree is for one origin only, so it is given that one.
func readTree(text, origin string) (tlog.Tree, error) {
	const goSum = "go.sum database tree\n"
	rest := strings.TrimPrefix(text, origin+"\n")
	if rest == text {
		return tlog.Tree{}, fmt.Errorf("the checkpoint is not of `%s`", origin)
	}
	tree, err := tlog.ParseTree([]byte(goSum + rest))
	if err != nil {
		return tree, err
	}
	// It passes over what follows; a checkpoint here has nothing there.
	if !bytes.Equal(tlog.FormatTree(tree), []byte(goSum+rest)) {
		return tree, errors.New("the checkpoint is not in its only form")
	}
	return tree, nil
}

// openCheckpoint opens a note that the log must have signed, and names who else of `known` did.
func openCheckpoint(msg []byte, log note.Verifier, known []note.Verifier) (tlog.Tree, map[string]bool, error) {
	opened, err := note.Open(msg, note.VerifierList(append([]note.Verifier{log}, known...)...))
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	signed := map[string]bool{}
	for _, signature := range append(opened.Sigs, opened.UnverifiedSigs...) {
		// Go's decoder passes over spare bits; each signature has one form only.
		bytes, err := base64.StdEncoding.Strict().DecodeString(signature.Base64)
		if err != nil || base64.StdEncoding.EncodeToString(bytes) != signature.Base64 {
			return tlog.Tree{}, nil, fmt.Errorf("the signature of `%s` is not in its only form", signature.Name)
		}
	}
	for _, signature := range opened.Sigs {
		signed[keyed(signature.Name, signature.Hash)] = true
	}
	if !signed[keyed(log.Name(), log.KeyHash())] {
		return tlog.Tree{}, nil, errors.New("the log's own key did not sign it")
	}
	tree, err := readTree(opened.Text, log.Name())
	return tree, signed, err
}

func keyed(name string, hash uint32) string { return name + "+" + strconv.FormatUint(uint64(hash), 16) }
