//! Capture files: the classic format, read whole and written as a stream.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use flate2::read::MultiGzDecoder;

/// Link types as the file header numbers them.
pub(crate) mod link {
    pub(crate) const NULL: u32 = 0;
    pub(crate) const ETHERNET: u32 = 1;
    pub(crate) const RAW: u32 = 101;
    pub(crate) const SLL: u32 = 113;
    pub(crate) const SLL2: u32 = 276;
}

/// When generated captures begin: 2026-01-01 00:00:00 UTC.
pub(crate) const EPOCH_NS: u64 = 1_767_225_600_000_000_000;

const SECOND_NS: u64 = 1_000_000_000;
const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
const LONGEST_PACKET: u32 = 1 << 18;

/// What the fraction of a time stamp counts.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Precision {
    /// Microseconds
    Micro,
    /// Nanoseconds
    Nano,
}

/// A packet as captured.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) ts_ns: u64,
    /// Bytes it had on the wire; `data` may hold fewer.
    pub(crate) wire_len: u32,
    pub(crate) data: Vec<u8>,
}

/// A capture file held in memory.
pub(crate) struct Capture {
    pub(crate) link: u32,
    pub(crate) packets: Vec<Packet>,
}

impl Capture {
    /// Reads a capture, decompressing it if its name ends in `.gz`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("{}", path.display()))?;
        let file = BufReader::with_capacity(1 << 20, file);
        let parsed = if path.extension().is_some_and(|e| e == "gz") {
            Self::parse(BufReader::new(MultiGzDecoder::new(file)))
        } else {
            Self::parse(file)
        };
        parsed.with_context(|| format!("{}", path.display()))
    }

    fn parse(mut input: impl Read) -> Result<Self> {
        let header: [u8; 24] = take(&mut input)?.context("no file header")?;
        let magic = word(&header, 0, u32::from_le_bytes);
        let (read, scale): (fn([u8; 4]) -> u32, u64) = match magic {
            MAGIC_MICROS => (u32::from_le_bytes, 1000),
            MAGIC_NANOS => (u32::from_le_bytes, 1),
            m if m == MAGIC_MICROS.swap_bytes() => (u32::from_be_bytes, 1000),
            m if m == MAGIC_NANOS.swap_bytes() => (u32::from_be_bytes, 1),
            m => bail!("magic number {m:#010x} is not that of a pcap file"),
        };
        let mut packets = Vec::new();
        while let Some(record) = take::<16>(&mut input)? {
            let captured = word(&record, 8, read);
            ensure!(
                captured <= LONGEST_PACKET,
                "record {} claims {captured} bytes",
                packets.len()
            );
            let mut data = vec![0; usize::try_from(captured)?];
            input
                .read_exact(&mut data)
                .with_context(|| format!("record {} is cut", packets.len()))?;
            packets.push(Packet {
                ts_ns: u64::from(word(&record, 0, read)) * SECOND_NS
                    + u64::from(word(&record, 4, read)) * scale,
                wire_len: word(&record, 12, read),
                data,
            });
        }
        Ok(Self {
            link: word(&header, 20, read) & 0x0fff_ffff,
            packets,
        })
    }
}

/// The next `N` bytes, or nothing at the end of the input.
fn take<const N: usize>(input: &mut impl Read) -> Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    let mut have = 0;
    while have < N {
        match input.read(bytes.get_mut(have..).unwrap_or_default())? {
            0 if have == 0 => return Ok(None),
            0 => bail!("{have} bytes where a header of {N} should be"),
            n => have += n,
        }
    }
    Ok(Some(bytes))
}

fn word(bytes: &[u8], at: usize, read: fn([u8; 4]) -> u32) -> u32 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| read(*b))
}

/// Writes records, cutting packets to the snap length.
pub(crate) struct Writer<W: Write> {
    output: W,
    precision: Precision,
    snaplen: u32,
    /// Bytes written so far, headers included.
    pub(crate) written: u64,
}

impl Writer<BufWriter<File>> {
    pub(crate) fn create(
        path: &Path,
        link: u32,
        snaplen: u32,
        precision: Precision,
    ) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("{}", path.display()))?;
        Self::new(
            BufWriter::with_capacity(1 << 20, file),
            link,
            snaplen,
            precision,
        )
    }
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(
        mut output: W,
        link: u32,
        snaplen: u32,
        precision: Precision,
    ) -> Result<Self> {
        let magic = match precision {
            Precision::Micro => MAGIC_MICROS,
            Precision::Nano => MAGIC_NANOS,
        };
        output.write_all(&magic.to_le_bytes())?;
        output.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        output.write_all(&snaplen.to_le_bytes())?;
        output.write_all(&link.to_le_bytes())?;
        Ok(Self {
            output,
            precision,
            snaplen,
            written: 24,
        })
    }

    /// Writes a packet of which `data` is all there is to capture.
    pub(crate) fn write(&mut self, ts_ns: u64, wire_len: u32, data: &[u8]) -> Result<()> {
        let captured = u32::try_from(data.len())?.min(self.snaplen);
        let fraction = match self.precision {
            Precision::Micro => ts_ns % SECOND_NS / 1000,
            Precision::Nano => ts_ns % SECOND_NS,
        };
        let mut header = [0; 16];
        let fields = [
            u32::try_from(ts_ns / SECOND_NS)?,
            u32::try_from(fraction)?,
            captured,
            wire_len,
        ];
        for (to, field) in header.chunks_exact_mut(4).zip(fields) {
            to.copy_from_slice(&field.to_le_bytes());
        }
        self.output.write_all(&header)?;
        self.output
            .write_all(data.get(..usize::try_from(captured)?).unwrap_or(data))?;
        self.written += 16 + u64::from(captured);
        Ok(())
    }

    /// Hands everything to the operating system.
    pub(crate) fn finish(mut self) -> Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for (precision, ts_ns) in [
            (Precision::Micro, 1_500_000_123_000),
            (Precision::Nano, 1_500_000_123_456),
        ] {
            let mut writer = Writer::new(Vec::new(), link::ETHERNET, 4, precision).unwrap();
            writer.write(ts_ns, 6, b"packet").unwrap();
            let written = writer.written;
            let file = writer.finish().unwrap();
            assert_eq!(file.len() as u64, written);
            let read = Capture::parse(file.as_slice()).unwrap();
            assert_eq!(read.link, link::ETHERNET);
            assert_eq!(read.packets.len(), 1);
            assert_eq!(read.packets[0].ts_ns, ts_ns);
            assert_eq!(read.packets[0].wire_len, 6);
            assert_eq!(read.packets[0].data, b"pack");
        }
    }

    #[test]
    fn broken_files_are_refused() {
        let mut cut = Writer::new(Vec::new(), link::RAW, 100, Precision::Micro).unwrap();
        cut.write(0, 6, b"packet").unwrap();
        let mut cut = cut.finish().unwrap();
        cut.pop();
        for (name, bytes) in [("empty", &b""[..]), ("no magic", &[7; 24]), ("cut", &cut)] {
            assert!(Capture::parse(bytes).is_err(), "{name}");
        }
    }
}
