package peer

import (
	"fmt"

	"github.com/cosmos/gogoproto/proto"
)

// rawMessage travels as the bytes it holds. A reactor of CometBFT sends and receives protobuf
// messages only; this one encodes to exactly what it was given, so any bytes can be sent.
type rawMessage struct{ bytes []byte }

var _ proto.Message = (*rawMessage)(nil)

func (m *rawMessage) Reset()         { m.bytes = nil }
func (m *rawMessage) String() string { return fmt.Sprintf("%d bytes", len(m.bytes)) }
func (*rawMessage) ProtoMessage()    {}

func (m *rawMessage) Marshal() ([]byte, error) { return m.bytes, nil }

// Unmarshal copies: the connection uses its buffer again for the next message.
func (m *rawMessage) Unmarshal(bytes []byte) error {
	m.bytes = append([]byte(nil), bytes...)
	return nil
}

// Merge is how a prototype is cloned before each message is decoded into the clone.
func (m *rawMessage) Merge(from proto.Message) {
	m.bytes = append([]byte(nil), from.(*rawMessage).bytes...)
}
