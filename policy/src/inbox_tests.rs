//! Which standing rule a Query falls under: the first that fits in all its conditions.

use super::*;
use crate::inbox::{InboxRule, InboxRules, Way};

fn way(case: &Case, rules: Vec<InboxRule>, default: Way) -> (Way, Option<usize>) {
    InboxRules { rules, default }.way(&case.query)
}

#[test]
fn without_rules_everything_within_limits_is_accepted() {
    assert_eq!(InboxRules::default().way(&Case::new().query), (Way::Accept, None));
}

#[test]
fn the_first_rule_that_fits_decides() {
    let case = Case::new();
    let rules = vec![
        InboxRule { purposes: Set::only(["another"]), ..InboxRule::any(Way::Never) },
        InboxRule { purposes: Set::only(["attendance-2025"]), ..InboxRule::any(Way::Ask) },
        InboxRule::any(Way::Never),
    ];
    assert_eq!(way(&case, rules.clone(), Way::Accept), (Way::Ask, Some(1)));
    assert_eq!(way(&case, rules[2..].to_vec(), Way::Accept), (Way::Never, Some(0)));
    assert_eq!(way(&case, rules[..1].to_vec(), Way::Ask), (Way::Ask, None));
}

/// Each condition alone: what it names fits, another does not.
#[test]
fn a_rule_fits_by_all_its_conditions() {
    let case = Case::new();
    let only = |name: &str| Set::only([name]);
    let any = || InboxRule::any(Way::Never);
    let fitting = [
        InboxRule { purposes: only("attendance-2025"), ..any() },
        InboxRule { questions: only("event-day"), ..any() },
        InboxRule { datasets: only("pupils"), ..any() },
        InboxRule { askers: only(id(0).as_str()), ..any() },
        InboxRule { rho_query: case.query.loss, ..any() },
    ];
    for rule in fitting {
        assert_eq!(way(&case, vec![rule.clone()], Way::Accept), (Way::Never, Some(0)), "{rule:?}");
    }
    let other = || only("other");
    let less = PrivacyLoss::from_nano(case.query.loss.nano() - 1);
    let not_fitting = [
        InboxRule { purposes: other(), ..any() },
        InboxRule { questions: other(), ..any() },
        InboxRule { datasets: other(), ..any() },
        InboxRule { askers: only(id(1).as_str()), ..any() },
        InboxRule { askers: Set::Except([id(0).to_string()].into()), ..any() },
        InboxRule { rho_query: less, ..any() },
        InboxRule { purposes: other(), rho_query: case.query.loss, ..any() },
    ];
    for rule in not_fitting {
        assert_eq!(way(&case, vec![rule.clone()], Way::Accept), (Way::Accept, None), "{rule:?}");
    }
}
