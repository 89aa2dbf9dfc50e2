//! What is executed: the rules in the contract's order, the table of their names, and what is added.

use super::additions::{Added, Additions};
use super::check::{Check, Failure, Value};
use super::file;
use super::mistakes::ContractError;
use super::names::Names;
use crate::rejection::{Detail, Reason, Rejection};
use std::sync::Arc;
use std::time::SystemTime;

/// The contract that is used when none is named.
const USER_LOGIN: &str = include_str!("../../contracts/user-login.toml");

/// The compiled contract.
#[derive(Debug)]
pub struct Plan {
    pub(super) name: String,
    pub(super) max_depth: usize,
    pub(super) max_bytes: usize,
    pub(super) rules: Vec<Rule>,
    pub(super) added: Vec<Added>,
    pub(super) names: Names,
}

/// One field's rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(super) name: Arc<str>,
    pub(super) required: bool,
    pub(super) allow_empty: bool,
    pub(super) check: Check,
    pub(super) case: Option<Case>,
}

/// What a value is rewritten to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Lower,
    Upper,
}

impl Plan {
    /// Reads a contract; `origin` (a path, or `embedded`) stands in front of each mistake.
    ///
    /// # Errors
    ///
    /// Every mistake of the text, each with its line.
    pub fn parse(text: &str, origin: &str) -> Result<Plan, ContractError> {
        file::read(text, origin)
    }

    /// The contract that is used when none is named: `contracts/user-login.toml`, embedded.
    pub fn user_login() -> Plan {
        Plan::parse(USER_LOGIN, "embedded").expect("the embedded contract is parsed by a test")
    }

    /// The contract's name, for `dlq.contract` and the logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The deepest nesting that passes; the outermost object is 1.
    pub fn max_depth(&self) -> usize {
        self.max_depth
    }

    /// The longest event that passes, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// The names of the fields, in the contract's order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.name)
    }

    /// The names of the added members, in the contract's order.
    pub fn added(&self) -> impl Iterator<Item = &str> {
        self.added.iter().map(|added| &*added.name)
    }

    /// Renders the additions for one batch at `now`.
    pub fn additions(&self, now: SystemTime) -> Additions {
        Additions::render(&self.added, now)
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The places of the contract's members, fields first, then what is added.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// How many members the contract names.
    pub(crate) fn members(&self) -> usize {
        self.rules.len() + self.added.len()
    }

    /// The rejection of an event in which a member of the contract occurs twice.
    pub(crate) fn duplicate(&self, member: usize) -> Rejection {
        let field = match self.rules.get(member) {
            Some(rule) => &rule.name,
            None => &self.added[member - self.rules.len()].name,
        };
        Rejection {
            reason: Reason::FieldDuplicate,
            field: Some(Arc::clone(field)),
            detail: Detail::Static("occurs more than once"),
        }
    }
}

impl Rule {
    /// Judges the field's value; an absent member counts as `null`.
    #[inline]
    pub(crate) fn judge(&self, value: Value<'_>) -> Result<(), Rejection> {
        let verdict = match value {
            Value::Null if self.required => {
                Err((Reason::FieldMissing, Detail::Static("required, but absent or null")))
            }
            Value::Null => Ok(()),
            Value::Text(b"") if self.allow_empty => Ok(()),
            value => self.check.judge(value),
        };
        verdict.map_err(|(reason, detail): Failure| Rejection {
            reason,
            field: Some(Arc::clone(&self.name)),
            detail,
        })
    }

    /// How the value is rewritten, if at all.
    pub(crate) fn case(&self) -> Option<Case> {
        self.case
    }
}
