//! A connection: a TCP link over loopback, the handshake, and the two tasks that serve it.

use bytes::{Bytes, BytesMut};
use ringwire_codec::NodeKey;
use ringwire_codec::packet::{ChannelId, PACKET_HEADER_MAX, PacketHeader};
use ringwire_codec::secret::handshake::{Handshake, Progress, Session};
use rival::{Failure, Far, Pair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::assembly::Assembly;
use crate::opening::Opening;
use crate::sealing::Sealing;

/// The bench's channel.
const CHANNEL: ChannelId = ChannelId(0x42);
/// The least payload for which a packet is started in what is left of a buffer: a packet of
/// CometBFT.
const PAYLOAD_MIN: usize = 1024;
/// Stands for the NodeInfos, over which the keys of wide records are derived.
const NODE_INFO: &[u8] = b"bench";

/// Connects two nodes and starts serving both ends.
pub(crate) async fn connect(wide: bool, message_bytes: usize) -> Result<Pair, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let dialer = TcpStream::connect(listener.local_addr()?).await?;
    let (listened, _) = listener.accept().await?;
    // One of the two could not finish without the other.
    let (hub, leaf) = tokio::try_join!(secure(dialer, [1; 32]), secure(listened, [2; 32]))?;
    let serve = |end| {
        let (link, far) = rival::pair(message_bytes);
        serve(end, far, wide, message_bytes);
        link
    };
    Ok(Pair {
        hub: serve(hub),
        leaf: serve(leaf),
    })
}

/// A secured stream, and what was read beyond the handshake.
type Secured = (TcpStream, Box<Session>, BytesMut);

async fn secure(mut stream: TcpStream, seed: [u8; 32]) -> Result<Secured, Failure> {
    stream.set_nodelay(true)?;
    // Keys that everybody knows are as fast as secret ones.
    let ephemeral = seed.map(|byte| byte ^ 0x80);
    let mut handshake = Handshake::new(&NodeKey::from_seed(seed), ephemeral, None);
    let mut buffer = BytesMut::new();
    loop {
        let progress = handshake.handle_bytes(&mut buffer)?;
        while let Some(bytes) = handshake.poll_transmit() {
            stream.write_all(&bytes).await?;
        }
        if let Progress::Done(session) = progress {
            return Ok((stream, session, buffer));
        }
        read_more(&mut stream, &mut buffer).await?;
    }
}

async fn read_more(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Result<(), Failure> {
    match stream.read_buf(buffer).await? {
        0 => Err("the other end has closed".into()),
        _ => Ok(()),
    }
}

fn serve((stream, session, early): Secured, far: Far, wide: bool, message_bytes: usize) {
    let (sealing, opening) = if wide {
        let max = ringwire_codec::secret::record::RECORD_PLAIN_MAX;
        let (sealer, opener) = session.wide_records(NODE_INFO, NODE_INFO, max);
        (Sealing::wide(sealer), Opening::Wide(opener))
    } else {
        let Session { sealer, opener, .. } = *session;
        (Sealing::comet(sealer), Opening::Comet(opener))
    };
    let (read_half, write_half) = stream.into_split();
    tokio::spawn(async move {
        let ended = write(write_half, sealing, far.outbound).await;
        complain("writing", ended);
    });
    tokio::spawn(async move {
        let assembly = Assembly::new(message_bytes);
        let ended = read(read_half, opening, early, assembly, far.inbound).await;
        complain("reading", ended);
    });
}

/// The application sees only that its queue has ended; the reason is said here.
fn complain(doing: &str, ended: Result<(), Failure>) {
    if let Err(error) = ended {
        eprintln!("tokio-bench: {doing}: {error}");
    }
}

async fn write(
    mut stream: OwnedWriteHalf,
    mut sealing: Sealing,
    mut messages: mpsc::Receiver<Bytes>,
) -> Result<(), Failure> {
    while let Some(message) = messages.recv().await {
        write_message(&mut stream, &mut sealing, &message).await?;
        while let Ok(message) = messages.try_recv() {
            write_message(&mut stream, &mut sealing, &message).await?;
        }
        flush(&mut stream, &mut sealing).await?;
    }
    Ok(())
}

/// Cuts a message into packets; what does not fit the buffer makes room by a write.
async fn write_message(
    stream: &mut OwnedWriteHalf,
    sealing: &mut Sealing,
    message: &[u8],
) -> Result<(), Failure> {
    let mut rest = message;
    loop {
        if sealing.room() < PACKET_HEADER_MAX + rest.len().min(PAYLOAD_MIN) {
            flush(stream, sealing).await?;
        }
        let room = sealing.room() - PACKET_HEADER_MAX;
        let (payload, after) = rest.split_at(rest.len().min(sealing.payload_max()).min(room));
        let mut header = [0; PACKET_HEADER_MAX];
        let len = PacketHeader::encode(CHANNEL, after.is_empty(), payload.len(), &mut header);
        sealing.push(&header[..len]);
        sealing.push(payload);
        if after.is_empty() {
            return Ok(());
        }
        rest = after;
    }
}

async fn flush(stream: &mut OwnedWriteHalf, sealing: &mut Sealing) -> Result<(), Failure> {
    Ok(stream.write_all(sealing.seal()?).await?)
}

async fn read(
    mut stream: OwnedReadHalf,
    mut opening: Opening,
    mut buffer: BytesMut,
    mut assembly: Assembly,
    messages: mpsc::Sender<Bytes>,
) -> Result<(), Failure> {
    loop {
        while let Some(len) = opening.sealed_len(&buffer)? {
            let mut sealed = buffer.split_to(len);
            let plain = opening.open(&mut sealed)?;
            assembly.push(&sealed[plain]);
            while let Some(message) = assembly.pop()? {
                if messages.send(message).await.is_err() {
                    return Ok(());
                }
            }
        }
        buffer.reserve(Opening::READ_BYTES);
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}
