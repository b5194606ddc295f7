//! What of a rule's inputs must be there: one of several, in which order, how many.

use serde_saphyr::Spanned;

use super::super::document::Flowhawk;
use super::super::{Input, Logic, Step};
use super::{Problem, at};

/// The steps, and how many of them suffice.
pub(super) fn read(
    inputs: &[Input],
    own: &Flowhawk,
    logic: Logic,
) -> Result<(Vec<Step>, usize), Problem> {
    // Inputs of a list share the number of the first of them.
    let step_of = joined(inputs, "any_of", &own.any_of)?;
    let stage_of = joined(inputs, "in_any_order", &own.in_any_order)?;
    if let Some(name) = own.in_any_order.iter().flatten().next()
        && logic != Logic::Ordered
    {
        let problem = "in_any_order is for the type temporal_ordered";
        return Err((at(name), problem.to_owned()));
    }
    let of_step = |step: usize| -> Vec<usize> {
        let inputs = step_of.iter().enumerate();
        { inputs.filter(|(_, own)| **own == step) }
            .map(|(input, _)| input)
            .collect()
    };
    let mut steps = Vec::new();
    for number in 0..inputs.len() {
        let any_of = of_step(number);
        let stages = any_of.iter().filter_map(|input| stage_of.get(*input));
        if let Some(stage) = stages.min().copied() {
            steps.push(Step { any_of, stage });
        }
    }
    steps.sort_by_key(|step| step.stage);
    let at_least = at_least(own, logic, steps.len())?;
    Ok((steps, at_least))
}

/// For each input the lowest number among those it is listed with.
fn joined(
    inputs: &[Input],
    key: &str,
    lists: &[Vec<Spanned<String>>],
) -> Result<Vec<usize>, Problem> {
    let mut of_input: Vec<usize> = (0..inputs.len()).collect();
    for list in lists {
        let mut members = Vec::new();
        for name in list {
            let named = |input: &Input| input.source.name() == name.value;
            members.push(inputs.iter().position(named).ok_or_else(|| {
                (
                    at(name),
                    format!("{key} names {:?}, which is not among the rules", name.value),
                )
            })?);
        }
        let first = members.iter().min().copied().unwrap_or(0);
        for member in members {
            if let Some(number) = of_input.get_mut(member) {
                *number = first;
            }
        }
    }
    Ok(of_input)
}

fn at_least(own: &Flowhawk, logic: Logic, steps: usize) -> Result<usize, Problem> {
    let Some(least) = &own.at_least else {
        return Ok(steps);
    };
    let problem = match (logic, usize::try_from(least.value)) {
        (Logic::Temporal, Ok(number)) if (1..=steps).contains(&number) => return Ok(number),
        (Logic::Temporal, _) => {
            let given = least.value;
            format!("at_least is {given}, but 1 to {steps} can be there")
        }
        _ => "at_least is for the type temporal".to_owned(),
    };
    Err((at(least), problem))
}
