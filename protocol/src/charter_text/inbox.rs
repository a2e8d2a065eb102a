//! A member's `inbox.toml`: what it does with questions that all limits allow.

use datacoop_policy::PrivacyLoss;
use datacoop_policy::inbox::{InboxRule, InboxRules, Way};
use serde::Deserialize;

use super::limits_error::{INBOX, field_error};
use super::read::SetText;
use super::{TextError, wrong};

/// Rules of one file: more than anybody can keep in mind.
const RULES_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: WayText,
    #[serde(default)]
    rule: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    purposes: Option<SetText>,
    questions: Option<SetText>,
    datasets: Option<SetText>,
    askers: Option<SetText>,
    rho_query: Option<u64>,
    then: WayText,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct WayText(Way);

impl TryFrom<String> for WayText {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        // As serde begins such an error, so that it is explained as one.
        Way::ALL.into_iter().find(|way| way.code() == code).map(Self).ok_or("invalid value")
    }
}

impl RuleText {
    fn read(self) -> InboxRule {
        let any = InboxRule::any(self.then.0);
        InboxRule {
            purposes: self.purposes.map_or(any.purposes, SetText::read),
            questions: self.questions.map_or(any.questions, SetText::read),
            datasets: self.datasets.map_or(any.datasets, SetText::read),
            askers: self.askers.map_or(any.askers, SetText::read),
            rho_query: self.rho_query.map_or(any.rho_query, PrivacyLoss::from_nano),
            then: any.then,
        }
    }
}

/// Reads a member's own `inbox.toml`. Errors: an unknown field or another form; then the node answers nothing.
pub fn parse_inbox(text: &str) -> Result<InboxRules, TextError> {
    let File { default, rule } = toml::from_str(text).map_err(|error| field_error(text, &error, &INBOX))?;
    if rule.len() > RULES_MAX {
        return wrong(format!("it has {} rules; at most {RULES_MAX} are read", rule.len()));
    }
    Ok(InboxRules { rules: rule.into_iter().map(RuleText::read).collect(), default: default.0 })
}

#[cfg(test)]
mod tests {
    use datacoop_policy::limits::Set;

    use super::*;

    #[test]
    fn rules_read_in_their_order() {
        let text = "# ours\ndefault = \"ask\"\n\n[[rule]]\npurposes = [\"exams\"]\nrho_query = 5_000_000\nthen = \"accept\"\n[[rule]]\naskers = { except = [\"GB-EDU-1\"] }\nthen = \"never\"\n";
        let read = parse_inbox(text).unwrap();
        let first = InboxRule {
            purposes: Set::only(["exams"]),
            rho_query: PrivacyLoss::from_nano(5_000_000),
            ..InboxRule::any(Way::Accept)
        };
        let askers = Set::Except(["GB-EDU-1".to_owned()].into());
        let second = InboxRule { askers, ..InboxRule::any(Way::Never) };
        assert_eq!(read, InboxRules { rules: vec![first, second], default: Way::Ask });
        let only = parse_inbox("default = \"accept\"").unwrap();
        assert_eq!(only, InboxRules::default(), "what a node does without the file");
    }

    #[test]
    fn an_error_names_line_field_and_remedy() {
        let check = |text: &str, said: &str| assert_eq!(parse_inbox(text).err().unwrap().0, said, "{text}");
        check(
            "default = \"yes\"",
            "line 1: `default` is not understood; write \"accept\", \"ask\" or \"never\"",
        );
        check(
            "default = \"ask\"\n[[rule]]\npurpose = [\"a\"]\nthen = \"ask\"",
            "line 3: there is no field `purpose`; did you mean `purposes`?",
        );
        check(
            "default = \"ask\"\n[[rule]]\nrho_query = 0.5\nthen = \"ask\"",
            "line 3: `rho_query` is not understood; write billionths of rho, a whole number such as 20_000_000",
        );
        check(
            "default = \"ask\"\n[[rule]]\naskers = \"GB-EDU-1\"\nthen = \"ask\"",
            "line 3: `askers` is not understood; write a list of names such as [\"a\", \"b\"], or all but some: { except = [\"a\"] }",
        );
        for lacking in ["", "[[rule]]\nthen = \"ask\"", "default = \"ask\"\n[[rule]]\npurposes = [\"a\"]"] {
            let said = parse_inbox(lacking).err().unwrap().0;
            assert!(
                said.contains("field `default` is missing") || said.contains("field `then` is missing"),
                "{said}"
            );
        }
        let many = format!("default = \"ask\"\n{}", "[[rule]]\nthen = \"ask\"\n".repeat(RULES_MAX + 1));
        assert!(parse_inbox(&many).err().unwrap().0.contains("101 rules"));
        parse_inbox(&many.replacen("[[rule]]\nthen = \"ask\"\n", "", 1)).unwrap();
    }
}
