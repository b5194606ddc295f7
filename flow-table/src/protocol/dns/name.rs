//! Domain names off the wire (RFC 1035, 4.1.4), and the names that NetBIOS hides in them.

use super::super::bytes::Reader;

/// Bytes of a name as text; the longest that RFC 1035 allows has 253.
const MAX_NAME: usize = 512;
/// Pointers that one name may follow. Each must point below the one before, so that no name goes
/// round in circles; this keeps a message of nothing but pointers from costing its square.
const MAX_POINTERS: usize = 32;
const MAX_LABEL: u8 = 63;
/// Room that nearly every name finds enough.
const USUAL: usize = 32;

/// Why a name could not be read, as weird.log tells it.
pub(super) type NameError = &'static str;

/// Reads the name at `reader`, which reads to the end of `whole`, into `name` in lower case.
/// `long_labels`: labels may be longer than RFC 1035 has it, as NetBIOS's are.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    whole: &'a [u8],
    long_labels: LabelLimit,
    name: &mut Vec<u8>,
) -> Result<(), NameError> {
    name.clear();
    name.reserve(USUAL);
    let mut labels = *reader;
    // Where in the message `labels` ends.
    let mut end = whole.len();
    for jumps in 0..=MAX_POINTERS {
        let pointer = read_labels(&mut labels, long_labels, name)?;
        if jumps == 0 {
            *reader = labels;
        }
        let Some(offset) = pointer else {
            if name.last() == Some(&b'.') {
                name.pop();
            }
            name.make_ascii_lowercase();
            return Ok(());
        };
        let pointer_at = end.saturating_sub(labels.len() + 2);
        if offset >= pointer_at {
            return Err("DNS_label_forward_compress_offset");
        }
        labels = Reader::new(whole.get(offset..pointer_at).unwrap_or_default());
        end = pointer_at;
    }
    Err("DNS_too_many_compression_pointers")
}

/// Whether labels keep RFC 1035's limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LabelLimit {
    /// 63 bytes.
    Rfc1035,
    /// NetBIOS takes longer ones.
    None,
}

/// Reads labels up to the end of the name or to a pointer: where it points.
fn read_labels(
    reader: &mut Reader<'_>,
    limit: LabelLimit,
    name: &mut Vec<u8>,
) -> Result<Option<usize>, NameError> {
    loop {
        let len = reader.u8().ok_or("dns_invalid_name")?;
        if len == 0 {
            return Ok(None);
        }
        if len & 0xc0 == 0xc0 {
            let low = reader.u8().ok_or("dns_invalid_name")?;
            let offset = usize::from(u16::from_be_bytes([len & 0x3f, low]));
            return Ok(Some(offset));
        }
        if len > MAX_LABEL && limit == LabelLimit::Rfc1035 {
            return Err("DNS_label_too_long");
        }
        let label = reader
            .take(usize::from(len))
            .ok_or("DNS_label_len_gt_pkt")?;
        if name.len() + label.len() + 1 > MAX_NAME {
            return Err("DNS_label_len_gt_name_len");
        }
        name.extend_from_slice(label);
        name.push(b'.');
    }
}

/// The name that 32 letters from A to P stand for (RFC 1001, 14.1), up to its padding; `None` if
/// they stand for none.
pub(super) fn netbios(name: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(15);
    for pair in name.chunks_exact(2).take(15) {
        let [high, low] = pair else { break };
        let (high, low) = (nibble(*high)?, nibble(*low)?);
        let byte = high << 4 | low;
        if !byte.is_ascii_graphic() && !matches!(byte, 1 | 2) {
            break;
        }
        decoded.push(byte);
    }
    (!decoded.is_empty()).then_some(decoded)
}

fn nibble(letter: u8) -> Option<u8> {
    let nibble = letter.to_ascii_uppercase().checked_sub(b'A')?;
    (nibble < 16).then_some(nibble)
}
