package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// allUpTo is the size up to which every entry and, with its square root, every pair of sizes is proven.
const allUpTo = 1024

// tileReader reads the export's own tiles, which TileHashReader then holds against the root.
type tileReader struct{ *export }

func (r tileReader) Height() int                     { return tileHeight }
func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if data[i], err = r.read(tile); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// sample gives sizes up to n: all of them, or those about the ends of tiles and subtrees and some between.
func sample(n, all int64) []int64 {
	chosen := map[int64]bool{}
	add := func(k int64) {
		if 1 <= k && k <= n {
			chosen[k] = true
		}
	}
	for k := int64(1); k <= n && n <= all; k++ {
		add(k)
	}
	for power := int64(1); power <= n; power *= 2 {
		for near := int64(-1); near <= 1; near++ {
			add(power + near)
			add(n - power + near)
		}
	}
	for k := int64(1); k <= 16; k++ {
		add(n * k / 16)
	}
	add(n)
	sizes := make([]int64, 0, len(chosen))
	for k := range chosen {
		sizes = append(sizes, k)
	}
	sort.Slice(sizes, func(i, j int) bool { return sizes[i] < sizes[j] })
	return sizes
}

// prove makes inclusion and consistency proofs from the export's tiles and checks them.
func (e *export) prove() (int, int, error) {
	if e.head.N == 0 {
		return 0, 0, nil
	}
	fromTiles := tlog.TileHashReader(e.head, tileReader{e})
	included := sample(e.head.N, allUpTo)
	for _, size := range included {
		index := size - 1
		proof, err := tlog.ProveRecord(e.head.N, index, fromTiles)
		if err == nil {
			err = tlog.CheckRecord(proof, e.head.N, e.head.Hash, index, tlog.RecordHash(e.entries[index]))
		}
		if err != nil {
			return 0, 0, fmt.Errorf("inclusion of entry %d: %v", index, err)
		}
	}
	count := 0
	sizes := sample(e.head.N, 32)
	for i, old := range sizes {
		oldRoot, err := tlog.TreeHash(old, fromTiles)
		if err != nil {
			return 0, 0, err
		}
		for _, size := range sizes[i:] {
			root, err := tlog.TreeHash(size, e.hashes)
			if err != nil {
				return 0, 0, err
			}
			proof, err := tlog.ProveTree(size, old, e.hashes)
			if err == nil {
				err = tlog.CheckTree(proof, size, root, old, oldRoot)
			}
			if err != nil {
				return 0, 0, fmt.Errorf("consistency of %d with %d: %v", old, size, err)
			}
			count++
		}
	}
	return len(included), count, nil
}

// checkGiven checks the proofs that the log's own program wrote: `proofs/<index>.tlog-proof`, and
// `consistency/<size>`, which is the body of c2sp.org/tlog-witness add-checkpoint. Each is also the very
// proof that x/mod makes.
func (e *export) checkGiven() (int, error) {
	inclusions, _ := filepath.Glob(filepath.Join(e.folder, "proofs", "*.tlog-proof"))
	consistencies, _ := filepath.Glob(filepath.Join(e.folder, "consistency", "*"))
	for _, file := range inclusions {
		if err := e.checkInclusion(file); err != nil {
			return 0, fmt.Errorf("%s: %v", file, err)
		}
	}
	for _, file := range consistencies {
		if err := e.checkConsistency(file); err != nil {
			return 0, fmt.Errorf("%s: %v", file, err)
		}
	}
	return len(inclusions) + len(consistencies), nil
}

// readProof takes a proof apart: the number of its first line after `label`, its hashes and its checkpoint.
func readProof(file, label string) (int64, []tlog.Hash, []byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, nil, nil, err
	}
	blank := bytes.Index(data, []byte("\n\n"))
	if blank < 0 || !bytes.HasPrefix(data, []byte(label)) {
		return 0, nil, nil, fmt.Errorf("it begins otherwise, or has no checkpoint")
	}
	lines := strings.Split(strings.TrimPrefix(string(data[:blank]), label), "\n")
	number, err := strconv.ParseInt(lines[0], 10, 64)
	if err != nil {
		return 0, nil, nil, err
	}
	var hashes []tlog.Hash
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, nil, nil, err
		}
		hashes = append(hashes, hash)
	}
	return number, hashes, data[blank+2:], nil
}

func (e *export) checkInclusion(file string) error {
	index, hashes, msg, err := readProof(file, "c2sp.org/tlog-proof@v1\nindex ")
	if err != nil {
		return err
	}
	tree, _, err := openCheckpoint(msg, e.log, nil)
	if err != nil {
		return err
	}
	if index < 0 || index >= tree.N || tree.N > e.head.N {
		return fmt.Errorf("entry %d of %d in a log of %d", index, tree.N, e.head.N)
	}
	if err = tlog.CheckRecord(hashes, tree.N, tree.Hash, index, tlog.RecordHash(e.entries[index])); err != nil {
		return err
	}
	made, err := tlog.ProveRecord(tree.N, index, e.hashes)
	return same(hashes, made, err)
}

func (e *export) checkConsistency(file string) error {
	old, hashes, msg, err := readProof(file, "old ")
	if err != nil {
		return err
	}
	tree, _, err := openCheckpoint(msg, e.log, nil)
	if err != nil {
		return err
	}
	if old < 1 || old > tree.N || tree.N > e.head.N {
		return fmt.Errorf("from %d to %d in a log of %d", old, tree.N, e.head.N)
	}
	root, err := tlog.TreeHash(old, e.hashes)
	if err != nil {
		return err
	}
	if err = tlog.CheckTree(hashes, tree.N, tree.Hash, old, root); err != nil {
		return err
	}
	made, err := tlog.ProveTree(tree.N, old, e.hashes)
	return same(hashes, made, err)
}

func same(given, made []tlog.Hash, err error) error {
	if err == nil && fmt.Sprint(given) != fmt.Sprint(made) {
		err = fmt.Errorf("another proof than x/mod makes")
	}
	return err
}
