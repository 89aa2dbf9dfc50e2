package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/bytedance/sonic"
	"github.com/bytedance/sonic/decoder"
)

const (
	maxBytes = 1 << 20
	maxDepth = 64
)

// What a string field holds where the event has no string: neither is UTF-8, so no event can say it.
const (
	absent   = "\xff"
	mistyped = "\xfe"
)

// login is what the contract reads of an event. The decoder leaves absent and null strings as they were, and lets everything point
// into the event, so an event without escapes is read without a copy.
type login struct {
	UserID      string                 `json:"user_id"`
	AppVersion  string                 `json:"app_version"`
	DeviceType  string                 `json:"device_type"`
	IP          string                 `json:"ip"`
	Locale      sonic.NoCopyRawMessage `json:"locale"`
	Timestamp   sonic.NoCopyRawMessage `json:"timestamp"`
	ProcessedAt sonic.NoCopyRawMessage `json:"processed_at"`
}

var emptyLogin = login{UserID: absent, AppVersion: absent, DeviceType: absent, IP: absent}

// rejection is why an event does not pass. The zero value: it does.
type rejection struct{ reason, field, detail string }

// judge holds events to the user-login contract. It belongs to one goroutine.
type judge struct {
	decoder *decoder.Decoder
	login   login
}

func newJudge() *judge {
	d := decoder.NewDecoder("")
	d.SetOptions(decoder.OptionCaseSensitive | decoder.OptionValidateString)
	return &judge{decoder: d}
}

// event appends to out what becomes of the event, or says why it is refused. now is the value of processed_at, quoted.
func (j *judge) event(event []byte, now string, out []byte) ([]byte, rejection) {
	if len(event) > maxBytes {
		return out, rejection{"too_large", "", "longer than the contract's max_bytes"}
	}
	if !utf8.Valid(event) {
		return out, rejection{"invalid_utf8", "", "the bytes are not UTF-8"}
	}
	if bytes.Count(event, []byte("{"))+bytes.Count(event, []byte("[")) > maxDepth && depth(event) > maxDepth {
		return out, rejection{"too_deep", "", "nested deeper than the contract's max_depth"}
	}
	l := &j.login
	*l = emptyLogin
	j.decoder.Reset(text(event))
	err := j.decoder.Decode(l)
	if err == nil {
		err = j.decoder.CheckTrailings()
	}
	if err != nil || event[firstByte(event)] != '{' {
		if refused := j.again(event); refused.reason != "" {
			return out, refused
		}
	}
	if refused := l.check(); refused.reason != "" {
		return out, refused
	}
	return l.write(event, now, out), rejection{}
}

// again looks at an event that the fast way stumbled over. If it is an object of valid JSON after all, some field has another type.
func (j *judge) again(event []byte) rejection {
	if !json.Valid(event) {
		return rejection{"not_json", "", "not one JSON value"}
	}
	members := map[string]sonic.NoCopyRawMessage{}
	if event[firstByte(event)] != '{' || json.Unmarshal(event, &members) != nil {
		return rejection{"not_an_object", "", "JSON, but not an object"}
	}
	str := func(name string) string {
		raw := members[name]
		if raw == nil || string(raw) == "null" {
			return absent
		}
		s, ok := unquote(raw)
		if !ok {
			return mistyped
		}
		return s
	}
	j.login = login{
		UserID: str("user_id"), AppVersion: str("app_version"), DeviceType: str("device_type"), IP: str("ip"),
		Locale: members["locale"], Timestamp: members["timestamp"], ProcessedAt: members["processed_at"],
	}
	return rejection{}
}

// check judges the fields in the contract's order; the first failure is the reason.
func (l *login) check() rejection {
	if refused := filled("user_id", l.UserID); refused.reason != "" {
		return refused
	}
	switch l.AppVersion {
	case absent:
		return rejection{"field_missing", "app_version", "absent or null"}
	case mistyped:
		return rejection{"field_type", "app_version", "not a string"}
	}
	if reason := version(l.AppVersion); reason != "" {
		return rejection{reason, "app_version", "not a version of 2.0.0 or later"}
	}
	if refused := filled("device_type", l.DeviceType); refused.reason != "" {
		return refused
	}
	switch l.IP {
	case absent, "":
	case mistyped:
		return rejection{"field_type", "ip", "not a string"}
	default:
		address, err := netip.ParseAddr(l.IP)
		if err != nil || address.Zone() != "" {
			return rejection{"field_invalid", "ip", "not an address"}
		}
		if address.Unmap().IsPrivate() {
			return rejection{"field_denied", "ip", "a private address"}
		}
	}
	if isPresent(l.Locale) && l.Locale[0] != '"' {
		return rejection{"field_type", "locale", "not a string"}
	}
	if isPresent(l.Timestamp) {
		if reason := epochSeconds(l.Timestamp); reason != "" {
			return rejection{reason, "timestamp", "not whole seconds since 1970"}
		}
	}
	return rejection{}
}

func filled(name, value string) rejection {
	switch {
	case value == absent:
		return rejection{"field_missing", name, "absent or null"}
	case value == mistyped:
		return rejection{"field_type", name, "not a string"}
	case strings.TrimSpace(value) == "":
		return rejection{"field_empty", name, "empty or white space"}
	}
	return rejection{}
}

// write appends the output to out: the event's own bytes, but for locale in lower case, and processed_at replaced or put at the end.
// An ASCII locale is changed in the event itself, which is ours since it was fetched.
func (l *login) write(event []byte, now string, out []byte) []byte {
	var edits [2]edit
	locale := edits[:0]
	if isPresent(l.Locale) && !lowerInPlace(l.Locale) {
		if lower, changes := lowered(l.Locale); changes {
			start := offset(event, l.Locale)
			locale = append(locale, edit{start, start + len(l.Locale), lower})
		}
	}
	all := locale
	end := bytes.LastIndexByte(event, '}')
	if l.ProcessedAt != nil {
		start := offset(event, l.ProcessedAt)
		all = append(all, edit{start, start + len(l.ProcessedAt), now})
		if len(all) == 2 && start < all[0].start {
			all[0], all[1] = all[1], all[0]
		}
	}
	done := 0
	for _, e := range all {
		out = append(append(out, event[done:e.start]...), e.with...)
		done = e.end
	}
	if l.ProcessedAt == nil {
		out = append(append(out, event[done:end]...), `,"processed_at":`...)
		out = append(out, now...)
		done = end
	}
	return append(out, event[done:]...)
}

// edit puts other bytes in the place of event[start:end].
type edit struct {
	start, end int
	with       string
}

// lowerInPlace says false where more than letters of ASCII would have to change.
func lowerInPlace(raw []byte) bool {
	for _, b := range raw {
		if b >= utf8.RuneSelf || b == '\\' {
			return false
		}
	}
	for at, b := range raw {
		if 'A' <= b && b <= 'Z' {
			raw[at] = b + 'a' - 'A'
		}
	}
	return true
}

func lowered(raw []byte) (string, bool) {
	old, _ := unquote(raw)
	lower := strings.ToLower(old)
	return quote(lower), lower != old
}

// version says why a version is none, or below 2.0.0: one to three dotted numbers, then perhaps what SemVer allows.
func version(v string) string {
	rest, build, hasBuild := strings.Cut(v, "+")
	numbers, pre, hasPre := strings.Cut(rest, "-")
	zeros := true
	major, count := "", 0
	for more := true; more; count++ {
		var number string
		number, numbers, more = strings.Cut(numbers, ".")
		if !isNumber(number) || count == 3 {
			return "field_invalid"
		}
		if count == 0 {
			major = number
		} else {
			zeros = zeros && number == "0"
		}
	}
	if hasPre && !areWords(pre, true) || hasBuild && !areWords(build, false) {
		return "field_invalid"
	}
	if major == "0" || major == "1" || major == "2" && zeros && hasPre {
		return "field_below_minimum"
	}
	return ""
}

// isNumber is for digits without a leading zero.
func isNumber(s string) bool {
	return isDigits(s) && (s[0] != '0' || len(s) == 1)
}

func isDigits(s string) bool {
	for at := range len(s) {
		if s[at] < '0' || s[at] > '9' {
			return false
		}
	}
	return s != ""
}

// areWords is for the dotted words of a pre-release, where numbers have no leading zeros, and of a build.
func areWords(s string, isPre bool) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || isPre && isDigits(word) && !isNumber(word) {
			return false
		}
		for at := range len(word) {
			b := word[at] | 0x20
			if (b < 'a' || b > 'z') && (word[at] < '0' || word[at] > '9') && word[at] != '-' {
				return false
			}
		}
	}
	return true
}

// epochSeconds says why a value is not a number of seconds, or the digits of one in a string.
func epochSeconds(raw []byte) string {
	digits := text(raw)
	switch {
	case raw[0] == '"':
		digits, _ = unquote(raw)
	case raw[0] != '-' && (raw[0] < '0' || raw[0] > '9'):
		return "field_type"
	}
	if !isDigits(digits) {
		return "field_invalid"
	}
	// 19 digits always fit.
	if len(digits) > 19 {
		if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
			return "field_invalid"
		}
	}
	return ""
}

// depth counts the brackets that are open at a time, outside of strings.
func depth(event []byte) int {
	open, deepest := 0, 0
	for at := 0; at < len(event); at++ {
		switch event[at] {
		case '"':
			for at++; at < len(event) && event[at] != '"'; at++ {
				if event[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			open++
			deepest = max(deepest, open)
		case '}', ']':
			open = max(open-1, 0)
		}
	}
	return deepest
}

func firstByte(event []byte) int {
	return len(event) - len(bytes.TrimLeft(event, " \t\r\n"))
}

func isPresent(raw []byte) bool {
	return raw != nil && string(raw) != "null"
}

// unquote reads a JSON string; false for a value of another type.
func unquote(raw []byte) (string, bool) {
	if raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return text(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// quote writes a JSON string with the shortest escapes.
func quote(s string) string {
	out := []byte{'"'}
	for at := range len(s) {
		b := s[at]
		short := strings.IndexByte("\"\\\b\f\n\r\t", b)
		switch {
		case short >= 0:
			out = append(out, '\\', `"\bfnrt`[short])
		case b < ' ':
			out = fmt.Appendf(out, `\u%04x`, b)
		default:
			out = append(out, b)
		}
	}
	return string(append(out, '"'))
}

// text is the bytes as a string, without a copy.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// offset is where part, a piece of whole, begins in it.
func offset(whole, part []byte) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(whole))))
}
