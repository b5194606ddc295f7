//! Files and standard input, plain or compressed, as the bytes in them.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::format::MAGIC_LEN;
use crate::progress::Live;

/// Bytes that are decompressed at once.
const BUFFER: usize = 256 * 1024;

/// Opens the file at `path`, or standard input if that is `-`; of .gz and .zst what is in them.
/// `None` if there is nothing. `live` hears of the bytes read from disk.
pub(crate) fn open(path: &Path, live: &Arc<Live>) -> io::Result<Option<Box<dyn Read + Send>>> {
    let raw: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Box::new(file)
    };
    let raw = Counting {
        inner: raw,
        live: Arc::clone(live),
    };
    let (magic, reader) = peek(raw)?;
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Some(Box::new(flate2::read::MultiGzDecoder::new(
            BufReader::with_capacity(BUFFER, reader),
        ))),
        [0x28, 0xb5, 0x2f, 0xfd] => Some(Box::new(zstd::stream::read::Decoder::new(reader)?)),
        [] => None,
        _ => Some(reader),
    })
}

/// Reads the first bytes and puts them back.
fn peek(mut raw: Counting) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut magic = Vec::new();
    (&mut raw).take(MAGIC_LEN as u64).read_to_end(&mut magic)?;
    let reader = io::Cursor::new(magic.clone()).chain(raw);
    Ok((magic, Box::new(reader)))
}

/// Tells the progress display how many bytes were read.
struct Counting {
    inner: Box<dyn Read + Send>,
    live: Arc<Live>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.live.bytes.fetch_add(got as u64, Relaxed);
        Ok(got)
    }
}
