//! Messages on a stream, each behind its length in four bytes; writes are gathered up to 64 KiB
//! and flushed when nothing more waits.

use bytes::Bytes;
use futures::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use libp2p::Stream;
use rival::Failure;
use tokio::sync::mpsc;

const BUFFER_BYTES: usize = 65_536;

/// Sends what comes from the queue until it ends.
pub(crate) async fn write(stream: Stream, messages: mpsc::Receiver<Bytes>) {
    if let Err(error) = try_write(stream, messages).await {
        eprintln!("libp2p-bench: writing: {error}");
    }
}

async fn try_write(stream: Stream, mut messages: mpsc::Receiver<Bytes>) -> Result<(), Failure> {
    let mut stream = BufWriter::with_capacity(BUFFER_BYTES, stream);
    while let Some(message) = messages.recv().await {
        write_message(&mut stream, &message).await?;
        while let Ok(message) = messages.try_recv() {
            write_message(&mut stream, &message).await?;
        }
        stream.flush().await?;
    }
    Ok(())
}

async fn write_message(stream: &mut BufWriter<Stream>, message: &[u8]) -> Result<(), Failure> {
    let len = u32::try_from(message.len())?;
    stream.write_all(&len.to_be_bytes()).await?;
    Ok(stream.write_all(message).await?)
}

/// Hands what comes to the queue until either ends.
pub(crate) async fn read(stream: Stream, message_bytes: usize, messages: mpsc::Sender<Bytes>) {
    if let Err(error) = try_read(stream, message_bytes, messages).await {
        eprintln!("libp2p-bench: reading: {error}");
    }
}

async fn try_read(
    stream: Stream,
    message_bytes: usize,
    messages: mpsc::Sender<Bytes>,
) -> Result<(), Failure> {
    let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
    loop {
        let mut len = [0; 4];
        stream.read_exact(&mut len).await?;
        let len = u32::from_be_bytes(len) as usize;
        if len > message_bytes {
            return Err(format!("a message of {len} bytes, at most {message_bytes}").into());
        }
        let mut message = vec![0; len];
        stream.read_exact(&mut message).await?;
        if messages.send(message.into()).await.is_err() {
            return Ok(());
        }
    }
}
