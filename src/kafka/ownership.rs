//! Who owns the input partitions, as the group's coordinator sees it, and a way to have them shared out anew.

use super::code::ClientError;
use super::consumer::GroupConsumer;
use rdkafka::consumer::Consumer;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The shares in a group that is not just sharing out.
#[derive(Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Input partitions that no member has.
    pub unowned: Vec<i32>,
    /// The first member by its id, of those with our client id: the one that does what one alone is to do.
    pub first: String,
}

/// What the coordinator tells of a member.
#[derive(Clone, Copy)]
struct Member<'a> {
    id: &'a str,
    client_id: &'a str,
    assignment: Option<&'a [u8]>,
}

impl GroupConsumer {
    /// The shares at present of so many input partitions; `None` while the group is sharing out, or this is no member.
    pub fn ownership(&self, partitions: i32, wait: Duration) -> Result<Option<Ownership>, ClientError> {
        let Some(own) = self.member_id() else { return Ok(None) };
        let groups = self.client.fetch_group_list(Some(&self.group), wait)?;
        let found = groups.groups().iter().find(|found| found.name() == self.group);
        let Some(group) = found.filter(|group| group.state() == "Stable") else { return Ok(None) };
        let members: Vec<Member<'_>> = group
            .members()
            .iter()
            .map(|told| Member { id: told.id(), client_id: told.client_id(), assignment: told.assignment() })
            .collect();
        Ok(ownership(&own, &self.topic, partitions, &members))
    }

    /// Leaves the group, also as a static member, and joins it again: all is shared out anew. What this member has is asked back as in
    /// any rebalance.
    pub fn join_anew(&self) -> Result<(), ClientError> {
        if self.client.context().closing.load(Ordering::Acquire) {
            return Ok(());
        }
        self.client.unsubscribe();
        Ok(self.client.subscribe(&[&self.topic])?)
    }
}

fn ownership(own: &str, topic: &str, partitions: i32, members: &[Member<'_>]) -> Option<Ownership> {
    let client_id = members.iter().find(|member| member.id == own)?.client_id;
    let mut owned = BTreeSet::new();
    for member in members {
        // One that cannot be read: who knows what that member has.
        owned.extend(assigned(member.assignment?, topic)?);
    }
    let alike = members.iter().filter(|member| member.client_id == client_id);
    Some(Ownership {
        unowned: (0..partitions).filter(|one| !owned.contains(one)).collect(),
        first: alike.map(|member| member.id).min()?.to_owned(),
    })
}

/// The partitions of `topic` in a member's assignment, in the form that Kafka's own clients and this one write (`ConsumerProtocol`:
/// version, then topics each with their partitions; big-endian). `None` if it is not one.
fn assigned(bytes: &[u8], topic: &str) -> Option<Vec<i32>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let mut rest = bytes;
    let _version = take(&mut rest, 2)?;
    let mut found = Vec::new();
    for _ in 0..number(&mut rest)? {
        let length = take(&mut rest, 2)?;
        let name = take(&mut rest, usize::from(u16::from_be_bytes(length.try_into().ok()?)))?;
        for _ in 0..number(&mut rest)? {
            let partition = number(&mut rest)?;
            if name == topic.as_bytes() {
                found.push(partition);
            }
        }
    }
    Some(found)
}

fn number(rest: &mut &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1, `in` with partitions 0 and 2, `other` with partition 1, no user data.
    const SHARE: &[u8] = b"\0\x01\0\0\0\x02\0\x02in\0\0\0\x02\0\0\0\0\0\0\0\x02\0\x05other\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff";

    #[test]
    fn an_assignment_is_read() {
        assert_eq!(assigned(SHARE, "in"), Some(vec![0, 2]));
        assert_eq!(assigned(SHARE, "other"), Some(vec![1]));
        assert_eq!(assigned(SHARE, "absent"), Some(vec![]));
        assert_eq!(assigned(b"", "in"), Some(vec![]));
        for end in 1..SHARE.len() - 4 {
            assert_eq!(assigned(&SHARE[..end], "in"), None, "the first {end} bytes");
        }
    }

    #[test]
    fn what_no_member_has_is_found_by_all_and_is_for_one_to_mend() {
        let member = |id, client_id, assignment| Member { id, client_id, assignment: Some(assignment) };
        let members = [
            member("c", "gristmill", SHARE),
            member("b", "gristmill", &b""[..]),
            member("a", "an older consumer", &b""[..]),
        ];
        let found = |own| ownership(own, "in", 4, &members);
        assert_eq!(found("c"), Some(Ownership { unowned: vec![1, 3], first: "b".to_owned() }));
        assert_eq!(found("b"), found("c"));
        assert_eq!(found("d"), None, "no member any more");
        assert_eq!(ownership("b", "in", 4, &[member("b", "gristmill", &SHARE[..9])]), None);
    }
}
