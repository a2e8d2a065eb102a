package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is the one of c2sp.org/tlog-tiles: 256 hashes a tile.
const tileHeight = 8

// stored are all hashes of a tree in the order of tlog.StoredHashIndex.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("hash %d of %d", index, len(s))
		}
		hashes[i] = s[index]
	}
	return hashes, nil
}

// export is one folder, opened.
type export struct {
	folder  string
	log     note.Verifier
	policy  *policy // Absent when the export has none.
	head    tlog.Tree
	msg     []byte
	entries [][]byte
	hashes  stored
}

// check does everything, and counts what it did.
func check(folder string, seen []string, quorum bool) (string, error) {
	vkey, err := os.ReadFile(filepath.Join(folder, "log.vkey"))
	if err != nil {
		return "", err
	}
	e := &export{folder: folder}
	if e.log, err = note.NewVerifier(strings.TrimSuffix(string(vkey), "\n")); err != nil {
		return "", fmt.Errorf("log.vkey: %v", err)
	}
	cosigned, err := e.open(strings.TrimSuffix(string(vkey), "\n"), quorum)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %v", err)
	}
	if err = e.readEntries(); err != nil {
		return "", err
	}
	tiles, err := e.checkFiles()
	if err != nil {
		return "", err
	}
	history, witnessed, err := e.checkHistory(seen)
	if err != nil {
		return "", err
	}
	inclusions, consistencies, err := e.prove()
	if err != nil {
		return "", err
	}
	given, err := e.checkGiven()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("size=%d tiles=%d history=%d witnessed=%d cosigned=%d inclusion=%d consistency=%d given=%d",
		e.head.N, tiles, history, witnessed, cosigned, inclusions, consistencies, given), nil
}

// open reads the newest checkpoint and counts its cosignatures.
func (e *export) open(vkey string, quorum bool) (int, error) {
	var err error
	if e.msg, err = os.ReadFile(filepath.Join(e.folder, "checkpoint")); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(e.folder, "policy"))
	if errors.Is(err, fs.ErrNotExist) && !quorum {
		e.head, _, err = openCheckpoint(e.msg, e.log, nil)
		return 0, err
	}
	if err != nil {
		return 0, err
	}
	if e.policy, err = readPolicy(string(text), vkey); err != nil {
		return 0, err
	}
	head, signed, err := openCheckpoint(e.msg, e.log, e.policy.cosigners())
	if err != nil {
		return 0, err
	}
	e.head = head
	count, err := e.policy.check(signed)
	if !quorum {
		err = nil
	}
	return count, err
}

// readEntries reads the bundles and computes every hash anew.
func (e *export) readEntries() error {
	for n := int64(0); n<<tileHeight < e.head.N; n++ {
		tile := tlog.Tile{H: tileHeight, L: -1, N: n, W: width(e.head.N - n<<tileHeight)}
		data, err := e.read(tile)
		if err != nil {
			return err
		}
		for w := 0; w < tile.W; w++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return fmt.Errorf("%s: entry %d is cut short", path(tile), w)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			e.entries = append(e.entries, data[2:end])
			data = data[end:]
		}
		if len(data) > 0 {
			return fmt.Errorf("%s: %d bytes too many", path(tile), len(data))
		}
	}
	for n, entry := range e.entries {
		more, err := tlog.StoredHashes(int64(n), entry, e.hashes)
		if err != nil {
			return err
		}
		e.hashes = append(e.hashes, more...)
	}
	root, err := rootOf(e.head.N, e.hashes)
	if err == nil && root != e.head.Hash {
		err = fmt.Errorf("the entries' root is %v, the checkpoint says %v", root, e.head.Hash)
	}
	return err
}

// rootOf is TreeHash, but for the tree without entries, whose hash x/mod leaves zero.
func rootOf(n int64, hashes tlog.HashReader) (tlog.Hash, error) {
	if n == 0 {
		return sha256.Sum256(nil), nil
	}
	return tlog.TreeHash(n, hashes)
}

func width(left int64) int {
	if left > 1<<tileHeight {
		return 1 << tileHeight
	}
	return int(left)
}

// path is Tile.Path as c2sp.org/tlog-tiles has it: no height, and `entries` for `data`.
func path(tile tlog.Tile) string {
	name := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)
	return strings.Replace(name, "tile/data/", "tile/entries/", 1)
}

func (e *export) read(tile tlog.Tile) ([]byte, error) {
	return os.ReadFile(filepath.Join(e.folder, path(tile)))
}

// checkFiles looks at each file: those there must be are there, and each is what the entries give.
func (e *export) checkFiles() (int, error) {
	needed := map[string]bool{}
	for _, tile := range tlog.NewTiles(tileHeight, 0, e.head.N) {
		row := e.head.N >> uint(tileHeight*tile.L)
		if tile.W != width(row-tile.N<<tileHeight) {
			continue // Narrower than it is by now.
		}
		needed[path(tile)] = true
		if tile.L == 0 {
			tile.L = -1
			needed[path(tile)] = true
		}
	}
	count := 0
	err := filepath.WalkDir(e.folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(e.folder, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		wanted, derived, err := e.derive(name)
		if err != nil || !derived {
			return err
		}
		data, err := os.ReadFile(file)
		if err == nil && !bytes.Equal(data, wanted) {
			err = fmt.Errorf("%s is not what the entries give", name)
		}
		delete(needed, name)
		count++
		return err
	})
	if err != nil {
		return 0, err
	}
	for name := range needed {
		return 0, fmt.Errorf("%s is absent", name)
	}
	return count, nil
}

// derive gives what a file must hold, for a file that follows from the entries or from its own name.
func (e *export) derive(name string) ([]byte, bool, error) {
	parts := strings.Split(name, "/")
	switch parts[0] {
	case "entries.jsonl":
		var lines []byte
		for _, entry := range e.entries {
			lines = append(append(lines, entry...), '\n')
		}
		return lines, true, nil
	case "tile":
		given := strings.Replace(name, "tile/entries/", "tile/data/", 1)
		tile, err := tlog.ParseTilePath(strings.Replace(given, "tile/", fmt.Sprintf("tile/%d/", tileHeight), 1))
		if err != nil {
			return nil, true, err
		}
		if tile.L >= 0 {
			data, err := tlog.ReadTileData(tile, e.hashes)
			if err != nil {
				err = fmt.Errorf("%s is no tile of %d entries: %v", name, e.head.N, err)
			}
			return data, true, err
		}
		from := tile.N << tileHeight
		if from+int64(tile.W) > e.head.N {
			return nil, true, fmt.Errorf("%s is no bundle of %d entries", name, e.head.N)
		}
		var data []byte
		for _, entry := range e.entries[from : from+int64(tile.W)] {
			data = append(append(data, byte(len(entry)>>8), byte(len(entry))), entry...)
		}
		return data, true, nil
	case "blobs":
		data, err := os.ReadFile(filepath.Join(e.folder, name))
		if err == nil && fmt.Sprintf("%x", sha256.Sum256(data)) != parts[len(parts)-1] {
			err = fmt.Errorf("%s is not what its name says", name)
		}
		return data, err == nil, err
	}
	return nil, false, nil
}

// checkHistory opens every earlier checkpoint, of the export and seen elsewhere: each must be a prefix. It
// counts them, and those of them that a quorum cosigned.
func (e *export) checkHistory(seen []string) (int, int, error) {
	earlier, err := filepath.Glob(filepath.Join(e.folder, "checkpoints", "*"))
	if err != nil {
		return 0, 0, err
	}
	witnessed := 0
	for i, file := range append(earlier, seen...) {
		tree, signed, err := e.openEarlier(file)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %v", file, err)
		}
		if i < len(earlier) && filepath.Base(file) != strconv.FormatInt(tree.N, 10) {
			return 0, 0, fmt.Errorf("%s is a checkpoint of size %d", file, tree.N)
		}
		if tree.N > e.head.N {
			return 0, 0, fmt.Errorf("%s has %d entries, this log %d: entries were dropped", file, tree.N, e.head.N)
		}
		root, err := rootOf(tree.N, e.hashes)
		if err != nil {
			return 0, 0, err
		}
		if root != tree.Hash {
			return 0, 0, fmt.Errorf("%s contradicts this log: history was rewritten", file)
		}
		if e.policy != nil {
			if _, err := e.policy.check(signed); err == nil {
				witnessed++
			}
		}
	}
	return len(earlier) + len(seen), witnessed, nil
}

func (e *export) openEarlier(file string) (tlog.Tree, map[string]bool, error) {
	msg, err := os.ReadFile(file)
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	var cosigners []note.Verifier
	if e.policy != nil {
		cosigners = e.policy.cosigners()
	}
	return openCheckpoint(msg, e.log, cosigners)
}
