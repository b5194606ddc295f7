//! IEEE 802.11 data frames, with the headers that capture drivers put before them.

use super::{DropReason, be16};

/// Where the LLC header of the data frame begins that a radiotap header (radiotap.org) precedes.
pub(super) fn radiotap(bytes: &[u8]) -> Result<usize, DropReason> {
    let len = bytes.get(2..4).and_then(|len| len.try_into().ok());
    let len = usize::from(u16::from_le_bytes(len.ok_or(DropReason::TruncatedLink)?));
    if len < 8 {
        return Err(DropReason::TruncatedLink);
    }
    // Drivers may leave the frame check sequence at the end, which does no harm there.
    ieee80211(bytes, len)
}

/// The same after a Prism header, whose length stands in its second word.
pub(super) fn prism(bytes: &[u8]) -> Result<usize, DropReason> {
    let len = bytes.get(4..8).and_then(|len| len.try_into().ok());
    let len = u32::from_le_bytes(len.ok_or(DropReason::TruncatedLink)?);
    ieee80211(bytes, usize::try_from(len).unwrap_or(usize::MAX))
}

/// Where the packet inside a data frame at `start` begins. Frames that are not data, have none, or
/// are encrypted are not IP.
pub(super) fn ieee80211(bytes: &[u8], start: usize) -> Result<usize, DropReason> {
    const DATA: u8 = 2;
    let cut = DropReason::TruncatedLink;
    let frame = bytes.get(start..).ok_or(cut)?;
    let control = *frame.first().ok_or(cut)?;
    let flags = *frame.get(1).ok_or(cut)?;
    let (kind, subtype) = ((control >> 2) & 3, control >> 4);
    let protected = flags & 0x40 != 0;
    // Bit 2 of the subtype: no data; bit 3: quality of service.
    if kind != DATA || subtype & 4 != 0 || protected {
        return Err(DropReason::NotIp);
    }
    let mut at = 24;
    if flags & 3 == 3 {
        at += 6;
    }
    if subtype & 8 != 0 {
        let qos = *frame.get(at).ok_or(cut)?;
        at += 2;
        // An aggregate of several frames (A-MSDU): the first has a header of fourteen bytes.
        if qos & 0x80 != 0 {
            at += 14;
        }
    }
    let snap = frame.get(at..at + 3).ok_or(cut)?;
    if snap != [0xaa, 0xaa, 0x03] {
        return Err(DropReason::NotIp);
    }
    be16(frame, at + 6).ok_or(cut)?;
    Ok(start + at)
}
