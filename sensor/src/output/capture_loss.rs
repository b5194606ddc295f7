//! capture_loss.log: how much of what TCP's receivers acknowledged was never captured, every quarter of
//! an hour of packet time and at the end. It tells of loss only where acknowledgements are seen.

use super::fields::Fields;
use super::protocols::Kind;
use super::zeek::PEER;
use crate::config::Log;
use crate::pipeline::Lost;

pub(super) const CAPTURE_LOSS: Kind = Kind::of(
    Log::CaptureLoss,
    &[
        ("ts", "time"),
        ("ts_delta", "interval"),
        ("peer", "string"),
        ("gaps", "count"),
        ("acks", "count"),
        ("percent_lost", "double"),
    ],
    &[],
);

pub(super) fn write(fields: &mut Fields<'_>, row: &Lost) {
    fields.time(row.ts);
    fields.interval(Some(row.span));
    fields.name(PEER);
    fields.count(row.loss.gaps);
    fields.count(row.loss.acks);
    fields.fraction(percent(row.loss.gaps, row.loss.acks));
}

pub(super) fn percent(gaps: u64, acks: u64) -> f64 {
    if acks == 0 {
        return 0.0;
    }
    100.0 * gaps as f64 / acks as f64
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn loss_is_a_share_of_acknowledgements() {
        for (gaps, acks, want) in [(0, 0, 0.0), (0, 9, 0.0), (1, 8, 12.5), (4, 4, 100.0)] {
            assert!((percent(gaps, acks) - want).abs() < 1e-9, "{gaps}/{acks}");
        }
    }
}
