//! What the detectors hear of a flow's life.

#![expect(clippy::too_many_lines, reason = "flat tables")]

use super::play::Play;

#[test]
fn steps_of_a_life() {
    let cases = [
        ("attempt", 9, ">S0", "opened by SYN, closed S0"),
        (
            "refused",
            9,
            ">S0 <RA0/1",
            "opened by SYN, refused, closed REJ",
        ),
        (
            "refused once",
            9,
            ">S0 <RA0/1 <RA0/1",
            "opened by SYN, refused, closed REJ",
        ),
        (
            "answered",
            9,
            ">S0 <SA0/1",
            "opened by SYN, answered, closed S1",
        ),
        (
            "answered once",
            9,
            ">S0 <SA0/1 <SA0/1",
            "opened by SYN, answered, closed S1",
        ),
        (
            "completed",
            9,
            "3way >A1/1",
            "opened by SYN, answered, completed, closed S1",
        ),
        (
            "reset once answered is no refusal",
            9,
            ">S0 <SA0/1 <R1",
            "opened by SYN, answered, closed RSTR",
        ),
        (
            "the first step is not told before the direction is settled",
            9,
            "<SA0/1",
            "opened, closed OTH",
        ),
        (
            "settled",
            9,
            "<SA0/1 >A1/1",
            "opened, completed, closed OTH",
        ),
        (
            "midstream",
            9,
            ">A1+9/1 <A1/10",
            "opened, answered, closed OTH",
        ),
        ("nothing counted", 9, ">A1/1!", ""),
        (
            "twice",
            9,
            ">S0 >S500",
            "opened by SYN, closed S0, opened by SYN, closed S0",
        ),
        (
            "progress while something moves",
            9,
            "3way >A1+9/1@5 *@10.01 *@20.01 *@30.01 >A10+9/1@31 *@40.9 *@41",
            "opened by SYN, answered, completed, progress, progress, closed S1",
        ),
    ];
    for (name, port, text, want) in cases {
        assert_eq!(Play::tcp(port).events(text), want, "{name}: {text}");
    }
}

#[test]
fn acknowledgements_tell_of_loss() {
    type Case = (&'static str, &'static str, &'static [(u64, u64)]);
    let cases: [Case; 7] = [
        ("nothing sent", "3way", &[]),
        ("both ways", "3way >A1+9/1 <A1+9/10 >A10/10", &[(2, 0)]),
        ("told again", "3way >A1+9/1 <A1/10 <A1/10 <A1/10", &[(1, 0)]),
        ("missed", "3way >A11+9/1 <A1/20", &[(1, 1)]),
        (
            "missed twice",
            "3way >A11+9/1 <A1/20 >A30+9/1 <A1/39",
            &[(2, 2)],
        ),
        ("no handshake", ">A1+9/1 <A1+9/10 >A10/10", &[]),
        (
            "on both sides of five minutes",
            "3way >A1+9/1@199.5 <A1/10@199.6 >A10+9/1@201 <A1/19@201.5 >A19+9/1@202 <A1/28@202.5",
            &[(1, 0), (2, 0)],
        ),
    ];
    for (name, text, want) in cases {
        assert_eq!(Play::tcp(22).losses(text), want, "{name}: {text}");
    }
}
