//! Whether gaps are too even for chance.

use flow_table::Span;

/// How likely so many gaps have no larger standard deviation, if connections are made at random, independent
/// of each other and of time: gaps are then exponential above the least that a gap can be. Divided by their
/// sum they are a point in a simplex, anywhere alike, and the deviation is its distance from the middle; so
/// it is the share of a ball in the simplex, or somewhat less where the ball is the larger.
pub(crate) fn chance(gaps: u64, mean: f64, deviation: f64, min_gap: Span) -> f64 {
    let (count, above) = (gaps as f64, mean - min_gap.as_secs_f64());
    if gaps < 2 || above <= 0.0 {
        return 1.0;
    }
    let radius = deviation / above / count.sqrt();
    // The volume of a ball of as many dimensions, which takes two at a time, over that of the simplex.
    let (mut share, first) = if gaps.is_multiple_of(2) {
        (2.0 * radius, 3)
    } else {
        (1.0, 2)
    };
    for dimensions in (first..gaps).step_by(2) {
        share *= std::f64::consts::TAU * radius * radius / dimensions as f64;
    }
    for factor in 1..gaps {
        share *= factor as f64;
    }
    (share / count.sqrt()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What drawing ten million times gives.
    #[test]
    fn evenness_by_chance() {
        let cases = [
            (3, 0.3, 0.108_76),
            (4, 0.3, 0.042_48),
            (4, 0.1, 0.001_58),
            (5, 0.2, 0.003_40),
            (6, 0.3, 0.007_17),
            (8, 0.3, 0.001_26),
        ];
        for (gaps, variation, want) in cases {
            let got = chance(gaps, 60.0, variation * 60.0, Span::ZERO);
            assert!((got / want - 1.0).abs() < 0.02, "{gaps} {variation}: {got}");
        }
        // A second apart at least: what is above it varies more.
        let second = Span::from_secs(1);
        assert!(chance(4, 1.3, 0.15, second) > 0.1);
        assert!(chance(4, 60.0, 6.0, second) < 0.002);
        assert!((chance(4, 1.0, 0.0, second) - 1.0).abs() < f64::EPSILON);
        assert!(chance(63, 60.0, 18.0, second) < 1e-12);
        assert!(chance(63, 60.0, 60_000.0, second) <= 1.0);
    }
}
