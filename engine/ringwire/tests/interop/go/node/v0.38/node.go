//go:build pin

// Package node pins the version of CometBFT whose own program the tests build and run.
package node

import _ "github.com/cometbft/cometbft/cmd/cometbft"
