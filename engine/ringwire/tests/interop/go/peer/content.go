package peer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// content makes the message of a seed: the same on both ends, so that a digest of 32 bytes tells
// whether megabytes came through unchanged.
//
// The generator is xorshift64* with the state seed*0x9e3779b97f4a7c15|1; the message is its
// outputs, little-endian, cut to size.
func content(seed uint64, size int) []byte {
	message := make([]byte, (size+7)/8*8)
	state := seed*0x9e3779b97f4a7c15 | 1
	for at := 0; at < len(message); at += 8 {
		state ^= state >> 12
		state ^= state << 25
		state ^= state >> 27
		binary.LittleEndian.PutUint64(message[at:], state*0x2545f4914f6cdd1d)
	}
	return message[:size]
}

func digest(message []byte) string {
	sum := sha256.Sum256(message)
	return hex.EncodeToString(sum[:])
}
