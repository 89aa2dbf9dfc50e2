//! Between a committer and the group's coordinator: one commit, its answer, and what goes wrong on the way.

use gristmill::kafka::Code;
use gristmill::sink::Coordinator;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The committer's end.
#[derive(Clone, Default)]
pub(crate) struct Wire(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    handed_over: Option<Vec<(i32, i64)>>,
    answers: VecDeque<Code>,
    refusal: Option<Code>,
}

impl Coordinator for Wire {
    fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Code> {
        let mut state = self.0.borrow_mut();
        if let Some(code) = state.refusal.take() {
            return Err(code);
        }
        assert!(state.handed_over.replace(offsets.to_vec()).is_none(), "each commit is looked at");
        Ok(())
    }

    fn answer(&self) -> Option<Code> {
        self.0.borrow_mut().answers.pop_front()
    }
}

impl Wire {
    /// The commit that was handed over since the last look.
    pub(crate) fn take(&self) -> Option<Vec<(i32, i64)>> {
        self.0.borrow_mut().handed_over.take()
    }

    /// Answers.
    pub(crate) fn reply(&self, code: Code) {
        self.0.borrow_mut().answers.push_back(code);
    }

    /// The client will not take the next commit.
    pub(crate) fn refuse(&self, code: Code) {
        self.0.borrow_mut().refusal = Some(code);
    }
}
