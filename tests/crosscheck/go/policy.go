package main

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// policy is c2sp.org/tlog-policy: who must have cosigned.
type policy struct {
	witnesses map[string]*cosigner
	groups    map[string]group
	quorum    string
}

// group holds when `least` of its members do.
type group struct {
	least   int
	members []string
}

// readPolicy reads the policy of the log with this key.
func readPolicy(text, log string) (*policy, error) {
	p := &policy{witnesses: map[string]*cosigner{}, groups: map[string]group{}}
	// Keys that count already: one under two names counts once, and the owner's never.
	named, keys := false, map[string]bool{publicKey(log): true}
	for number, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		err := fmt.Errorf("line %d of the policy: `%s`", number+1, line)
		switch {
		case fields[0] == "log" && len(fields) >= 2:
			named = named || fields[1] == log
		case fields[0] == "witness" && len(fields) >= 3:
			key, wrong := newCosigner(fields[2])
			if wrong != nil || p.knows(fields[1]) || keys[string(key.key)] {
				return nil, fmt.Errorf("%v: a wrong key, or a name or key that is there already: %v", err, wrong)
			}
			keys[string(key.key)] = true
			p.witnesses[fields[1]] = key
		case fields[0] == "group" && len(fields) >= 4:
			made := group{members: fields[3:]}
			switch fields[2] {
			case "any":
				made.least = 1
			case "all":
				made.least = len(made.members)
			default:
				made.least, _ = strconv.Atoi(fields[2])
			}
			if made.least < 1 || made.least > len(made.members) || p.knows(fields[1]) {
				return nil, err
			}
			once := map[string]bool{}
			for _, member := range made.members {
				if !p.knows(member) || once[member] {
					return nil, fmt.Errorf("%v: `%s` is unknown or counted twice", err, member)
				}
				once[member] = true
			}
			p.groups[fields[1]] = made
		case fields[0] == "quorum" && len(fields) == 2 && p.quorum == "":
			if fields[1] != "none" && !p.knows(fields[1]) {
				return nil, err
			}
			p.quorum = fields[1]
		default:
			return nil, err
		}
	}
	if !named || p.quorum == "" {
		return nil, fmt.Errorf("the policy names another log, or no quorum")
	}
	return p, nil
}

// publicKey is the key in a verifier key, without its type; empty for another form.
func publicKey(vkey string) string {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) < 3 {
		return ""
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) == 0 {
		return ""
	}
	return string(key[1:])
}

func (p *policy) knows(name string) bool {
	_, group := p.groups[name]
	return p.witnesses[name] != nil || group
}

// cosigners are the witnesses' verifiers.
func (p *policy) cosigners() []note.Verifier {
	var all []note.Verifier
	for _, witness := range p.witnesses {
		all = append(all, witness)
	}
	return all
}

// holds says whether a witness cosigned, or enough of a group.
func (p *policy) holds(name string, signed map[string]bool) bool {
	if witness := p.witnesses[name]; witness != nil {
		return signed[keyed(witness.name, witness.hash)]
	}
	count := 0
	for _, member := range p.groups[name].members {
		if p.holds(member, signed) {
			count++
		}
	}
	return count >= p.groups[name].least
}

// check counts the cosignatures, and says when they are no quorum.
func (p *policy) check(signed map[string]bool) (int, error) {
	count := 0
	for _, witness := range p.witnesses {
		if signed[keyed(witness.name, witness.hash)] {
			count++
		}
	}
	if p.quorum != "none" && !p.holds(p.quorum, signed) {
		return count, fmt.Errorf("%d of %d witnesses cosigned: no quorum", count, len(p.witnesses))
	}
	return count, nil
}
