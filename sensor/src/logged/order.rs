//! Rows in the order of their times: in memory as long as they are few, else in sorted runs on disk.
//!
//! Rows of one time stay in the order in which they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use super::Logged;

/// Why rows cannot be put into order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// The temporary file cannot be made, written or read.
    #[error("a temporary file for rows in order: {0}")]
    Disk(#[from] io::Error),
    /// What was kept is not what was put there.
    #[error("a row cannot be kept: {0}")]
    Form(#[from] postcard::Error),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Order {
    /// Bytes to hold in memory.
    limit: usize,
    batches: Vec<Vec<u8>>,
    rows: Vec<Kept>,
    /// What is held.
    held: usize,
    runs: Vec<BufReader<File>>,
}

/// Rows, ready to be kept.
#[derive(Default, Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    rows: Vec<Kept>,
}

impl Batch {
    /// Adds a row.
    pub(crate) fn put(&mut self, row: &Logged) -> Result<(), OrderError> {
        let at = self.bytes.len();
        postcard::to_io(row, &mut self.bytes)?;
        let len = self.bytes.len() - at;
        self.rows.push(Kept {
            time: row.time().as_nanos(),
            batch: 0,
            at: u32::try_from(at).map_err(io::Error::other)?,
            len: u32::try_from(len).map_err(io::Error::other)?,
        });
        Ok(())
    }
}

/// Where a row is kept, by its time.
#[derive(Clone, Copy, Debug)]
struct Kept {
    time: i64,
    /// In which batch.
    batch: u32,
    at: u32,
    len: u32,
}

/// Bytes before a row on disk: its time, and its length.
const HEAD: usize = TIME + 4;
const TIME: usize = 8;

impl Order {
    /// No rows yet; about `limit` bytes of them are held in memory.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            limit,
            batches: Vec::new(),
            rows: Vec::new(),
            held: 0,
            runs: Vec::new(),
        }
    }

    /// Adds rows, which come after those that are there.
    pub(crate) fn put(&mut self, batch: Batch) -> Result<(), OrderError> {
        let Batch { bytes, rows } = batch;
        let batch = u32::try_from(self.batches.len()).map_err(io::Error::other)?;
        self.rows
            .extend(rows.into_iter().map(|row| Kept { batch, ..row }));
        self.held += bytes.capacity();
        self.batches.push(bytes);
        if self.held + self.rows.len() * size_of::<Kept>() > self.limit {
            self.spill()?;
        }
        Ok(())
    }

    /// Hands out every row in its order.
    pub(crate) fn hand_out(
        mut self,
        mut take: impl FnMut(Logged) -> Result<(), OrderError>,
    ) -> Result<(), OrderError> {
        if self.runs.is_empty() {
            self.rows.sort_by_key(|row| row.time);
            for row in &self.rows {
                take(postcard::from_bytes(self.bytes_of(*row))?)?;
            }
            return Ok(());
        }
        self.spill()?;
        // Of rows of one time those of the earlier run come first.
        let mut next = BinaryHeap::new();
        let mut bytes = vec![Vec::new(); self.runs.len()];
        for (number, (run, bytes)) in self.runs.iter_mut().zip(&mut bytes).enumerate() {
            next.extend(read(run, bytes)?.map(|time| Reverse((time, number))));
        }
        while let Some(Reverse((_, number))) = next.pop() {
            let (Some(run), Some(bytes)) = (self.runs.get_mut(number), bytes.get_mut(number))
            else {
                continue;
            };
            take(postcard::from_bytes(bytes)?)?;
            next.extend(read(run, bytes)?.map(|time| Reverse((time, number))));
        }
        Ok(())
    }

    fn bytes_of(&self, row: Kept) -> &[u8] {
        let batch = self.batches.get(row.batch as usize);
        let rest = batch.and_then(|batch| batch.get(row.at as usize..));
        let bytes = rest.and_then(|rest| rest.get(..row.len as usize));
        bytes.unwrap_or_default()
    }

    /// Writes what is held, sorted, to a run of its own.
    fn spill(&mut self) -> Result<(), OrderError> {
        self.rows.sort_by_key(|row| row.time);
        // Gone when it is closed, however this ends.
        let mut file = BufWriter::with_capacity(1 << 20, tempfile::tempfile()?);
        for row in &self.rows {
            file.write_all(&row.time.to_le_bytes())?;
            file.write_all(&row.len.to_le_bytes())?;
            file.write_all(self.bytes_of(*row))?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(BufReader::with_capacity(1 << 18, file));
        self.batches.clear();
        self.rows.clear();
        self.held = 0;
        Ok(())
    }
}

/// Reads the next row of a run into `bytes`; its time, unless the run is over.
fn read(run: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Option<i64>> {
    let mut head = [0; HEAD];
    match run.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let Some((time, Ok(len))) = head
        .split_first_chunk::<TIME>()
        .map(|(time, len)| (time, len.try_into()))
    else {
        return Ok(None);
    };
    let len = u64::from(u32::from_le_bytes(len));
    bytes.clear();
    run.take(len).read_to_end(bytes)?;
    Ok(Some(i64::from_le_bytes(*time)))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::LoggedQuestion;
    use super::*;

    /// A question asked at this second, by this client.
    fn question(second: u32, client: u32) -> Logged {
        let second = second.to_string();
        let client = format!("10.0.{}.{}", client / 256, client % 256);
        let texts = [
            &second,
            "C1",
            &client,
            "4000",
            "10.0.0.53",
            "53",
            "udp",
            "-",
            "a.org",
            "1",
            "0",
            "-",
        ];
        let values = texts.map(|text| (text != "-").then(|| Cow::Owned(text.as_bytes().to_vec())));
        Logged::Question(LoggedQuestion::of(&values).unwrap())
    }

    #[test]
    fn rows_come_by_time_and_then_as_they_came() {
        let mut seconds: Vec<(u32, u32)> = (0..500).map(|n| (n * 7919 % 101, n)).collect();
        let rows: Vec<Logged> = seconds
            .iter()
            .map(|(second, n)| question(*second, *n))
            .collect();
        seconds.sort_by_key(|(second, _)| *second);
        let want: Vec<Logged> = seconds
            .iter()
            .map(|(second, n)| question(*second, *n))
            .collect();
        for (limit, runs) in [(usize::MAX, 0), (20_000, 1), (2_000, 10), (0, 500)] {
            let mut order = Order::new(limit);
            for row in &rows {
                let mut batch = Batch::default();
                batch.put(row).unwrap();
                order.put(batch).unwrap();
            }
            assert!(
                order.runs.len() >= runs,
                "{limit}: {} runs",
                order.runs.len()
            );
            let mut got = Vec::new();
            order
                .hand_out(|row| {
                    got.push(row);
                    Ok(())
                })
                .unwrap();
            assert_eq!(got, want, "{limit}");
        }
    }
}
