//! What must hold of a recorded history, whoever did what and whatever failed.
//!
//! A request took effect at some moment between its beginning and its end, so its answer has to be right
//! for one of the states that the record of its grant had in between.

use edgemint::store::Key;
use serde_json::Value;

use super::simulation::Write;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Redeem,
    Refresh { generation: u32, too_much: bool },
    Revoke,
    EndSession,
    EndUser,
}

/// What the server said, whether anyone heard it or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Tokens { generation: u32 },
    InvalidGrant,
    InvalidScope,
    Done,
    Unavailable,
    NotFound,
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) grant: usize,
    pub(crate) act: Act,
    /// The time that it was served with.
    pub(crate) now: u64,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// The time at its end.
    pub(crate) end_time: u64,
    pub(crate) answer: Answered,
}

/// How long a session lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) grace: u64,
    pub(crate) idle: u64,
    pub(crate) absolute: u64,
}

/// A grant, and what is known of the clients that hold it.
pub(crate) struct Case {
    pub(crate) key: Key,
    pub(crate) user: Key,
    pub(crate) policy: Policy,
    /// Its clients kept to the protocol, and nobody stole or ended anything.
    pub(crate) must_survive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Pending,
    Active { generation: u32, since: u64 },
    Revoked(&'static str),
}

#[derive(Debug, Clone, Copy)]
struct State {
    tick: u64,
    phase: Phase,
    born: u64,
    used: u64,
}

impl State {
    fn read(write: &Write) -> Self {
        let value: Value = serde_json::from_str(&write.text).unwrap();
        let state = &value["state"];
        let phase = if state.get("pending").is_some() {
            Phase::Pending
        } else if let Some(active) = state.get("active") {
            Phase::Active {
                generation: u32::try_from(active["generation"].as_u64().unwrap()).unwrap(),
                since: active["rotatedAt"].as_u64().unwrap(),
            }
        } else {
            let why = state["revoked"]["why"].as_str().unwrap();
            let known = ["replayed", "code_replayed", "client", "ended"];
            Phase::Revoked(known.into_iter().find(|known| *known == why).unwrap())
        };
        Self {
            tick: write.tick,
            phase,
            born: value["createdAt"].as_u64().unwrap(),
            used: value["usedAt"].as_u64().unwrap(),
        }
    }

    fn end(&self, policy: Policy) -> u64 {
        match self.phase {
            Phase::Pending => self.born + 60,
            _ => (self.used + policy.idle).min(self.born + policy.absolute),
        }
    }

    /// Whether a token of an older generation is answered with the current one.
    fn tolerates(&self, given: u32, now: u64, policy: Policy) -> bool {
        matches!(self.phase, Phase::Active { generation, since }
            if given + 1 == generation
                && policy.grace > 0
                && now.saturating_sub(since) <= policy.grace)
    }

    /// Whether a refresh with this token is a replay.
    fn is_replay(&self, given: u32, now: u64, policy: Policy) -> bool {
        matches!(self.phase, Phase::Active { generation, .. } if given < generation)
            && !self.tolerates(given, now, policy)
    }
}

/// What was seen at work: a storm in which something never happens shows nothing about it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) grants: u64,
    pub(crate) requests: u64,
    pub(crate) rotations: u64,
    pub(crate) repeated: u64,
    pub(crate) replays: u64,
    pub(crate) refused: u64,
    pub(crate) unavailable: u64,
    pub(crate) too_much: u64,
    pub(crate) revoked: u64,
    pub(crate) applied_but_failed: u64,
    pub(crate) survivors: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.grants += other.grants;
        self.requests += other.requests;
        self.rotations += other.rotations;
        self.repeated += other.repeated;
        self.replays += other.replays;
        self.refused += other.refused;
        self.unavailable += other.unavailable;
        self.too_much += other.too_much;
        self.revoked += other.revoked;
        self.applied_but_failed += other.applied_but_failed;
        self.survivors += other.survivors;
    }
}

/// Checks everything that happened to one grant.
pub(crate) fn check(case: &Case, records: &[&Record], writes: &[Write], tally: &mut Tally) {
    let of = |key: &Key| {
        writes
            .iter()
            .filter(|write| write.key == *key)
            .collect::<Vec<_>>()
    };
    let states: Vec<State> = of(&case.key).into_iter().map(State::read).collect();
    let epochs: Vec<u64> = of(&case.user).into_iter().map(|write| write.tick).collect();
    let history = History {
        case,
        records,
        states,
        epochs,
    };
    tally.grants += 1;
    tally.requests += u64::try_from(records.len()).unwrap();
    history.check_writes(tally);
    for record in records {
        history.check_answer(record, tally);
    }
    history.check_single_use();
    if case.must_survive {
        history.check_survival(tally);
    }
}

struct History<'a> {
    case: &'a Case,
    records: &'a [&'a Record],
    states: Vec<State>,
    /// When everything of the user was ended.
    epochs: Vec<u64>,
}

impl History<'_> {
    /// The record goes from state to state as the design says, each change has a request that caused it,
    /// and nothing comes after a revocation.
    fn check_writes(&self, tally: &mut Tally) {
        assert_eq!(self.states[0].phase, Phase::Pending);
        for pair in self.states.windows(2) {
            let [before, after] = pair else { continue };
            let in_flight = |caused: &dyn Fn(&Record) -> bool| {
                let flying =
                    |record: &&&Record| record.began < after.tick && after.tick < record.ended;
                let cause = self
                    .records
                    .iter()
                    .filter(flying)
                    .find(|record| caused(record));
                let cause = cause.unwrap_or_else(|| panic!("nobody asked for it: {pair:?}"));
                cause.answer == Answered::Unavailable
            };
            let policy = self.case.policy;
            let failed = match (before.phase, after.phase) {
                (
                    Phase::Pending,
                    Phase::Active {
                        generation: 0,
                        since,
                    },
                ) => in_flight(&|by| by.act == Act::Redeem && by.now == since),
                (
                    Phase::Active { generation, .. },
                    Phase::Active {
                        generation: next,
                        since,
                    },
                ) if next == generation + 1 => {
                    tally.rotations += 1;
                    let too_much = false;
                    let act = Act::Refresh {
                        generation,
                        too_much,
                    };
                    in_flight(&|by| by.act == act && by.now == since && by.now < before.end(policy))
                }
                (Phase::Active { .. }, Phase::Revoked("replayed")) => {
                    tally.replays += 1;
                    in_flight(&|by| {
                        matches!(by.act, Act::Refresh { generation, .. }
                            if before.is_replay(generation, by.now, policy))
                    })
                }
                (Phase::Active { .. }, Phase::Revoked("code_replayed")) => {
                    in_flight(&|by| by.act == Act::Redeem)
                }
                (Phase::Pending | Phase::Active { .. }, Phase::Revoked("client")) => {
                    in_flight(&|by| by.act == Act::Revoke)
                }
                (Phase::Pending | Phase::Active { .. }, Phase::Revoked("ended")) => {
                    in_flight(&|by| by.act == Act::EndSession)
                }
                _ => panic!("no step of a grant: {pair:?}"),
            };
            tally.applied_but_failed += u64::from(failed);
        }
        let last = self.states.last().map(|state| state.phase);
        tally.revoked += u64::from(matches!(last, Some(Phase::Revoked(_))));
    }

    /// The answer is right for a state that the record had while the request was served.
    fn check_answer(&self, record: &Record, tally: &mut Tally) {
        let policy = self.case.policy;
        let first = self
            .states
            .iter()
            .rposition(|state| state.tick < record.began);
        let first = first.expect("a request about a grant that there is");
        let possible = self.states[first..].iter();
        let possible: Vec<&State> = possible
            .take_while(|state| state.tick < record.ended)
            .collect();
        let ended_before = self.epochs.iter().any(|tick| *tick < record.began);
        let ended_meanwhile = self.epochs.iter().any(|tick| *tick < record.ended);
        let revoked = |state: &&State| matches!(state.phase, Phase::Revoked(_));
        let is_revoked_now = || {
            self.states
                .iter()
                .any(|s| s.tick < record.ended && revoked(&s))
        };
        // The store may have let go of it before the request came to it.
        let may_be_gone = |state: &State| record.end_time >= state.end(policy);
        let is_over = |state: &State| record.now >= state.end(policy);
        let why = || format!("{record:?} where the record was {possible:?}");
        match (record.act, record.answer) {
            (_, Answered::Unavailable) => tally.unavailable += 1,
            (Act::Redeem, Answered::Tokens { generation: 0 }) => {
                let opened = |state: &&State| matches!(state.phase, Phase::Active { generation: 0, since } if since == record.now);
                assert!(
                    possible.iter().copied().any(|state| opened(&state)),
                    "{}",
                    why()
                );
            }
            (Act::Redeem, Answered::InvalidGrant) => {
                let replayed = possible.iter().any(revoked);
                let gone = possible.iter().any(|state| may_be_gone(state)) || ended_meanwhile;
                assert!(replayed || gone, "{}", why());
            }
            (Act::Refresh { too_much: true, .. }, Answered::InvalidScope) => {
                tally.too_much += 1;
                assert!(!revoked(&possible[0]) && !ended_before, "{}", why());
            }
            (
                Act::Refresh {
                    generation,
                    too_much: false,
                },
                Answered::Tokens { generation: next },
            ) => {
                assert_eq!(next, generation + 1, "{}", why());
                assert!(!ended_before, "{}", why());
                // Stored before it was answered, by this request or by another one within grace.
                let rotated = possible.windows(2).any(|pair| {
                    let to = |at: usize| match pair[at].phase {
                        Phase::Active { generation, since } => Some((generation, since)),
                        _ => None,
                    };
                    !is_over(pair[0])
                        && to(0).is_some_and(|(known, _)| known == generation)
                        && to(1) == Some((next, record.now))
                });
                let tolerated = possible.iter().any(|state| {
                    !is_over(state) && state.tolerates(generation, record.now, policy)
                });
                assert!(rotated || tolerated, "{}", why());
                tally.repeated += u64::from(!rotated);
            }
            (Act::Refresh { generation, .. }, Answered::InvalidGrant) => {
                tally.refused += 1;
                let refused = possible.iter().any(|state| match state.phase {
                    Phase::Pending | Phase::Revoked(_) => true,
                    Phase::Active {
                        generation: current,
                        ..
                    } => generation > current || may_be_gone(state),
                });
                assert!(refused || ended_meanwhile, "{}", why());
            }
            (Act::Revoke | Act::EndSession, Answered::Done) => {
                let gone = possible.iter().any(|state| may_be_gone(state));
                assert!(is_revoked_now() || gone, "{}", why());
            }
            (Act::EndSession, Answered::NotFound) => {
                assert!(possible.iter().any(|state| may_be_gone(state)), "{}", why());
            }
            (Act::EndUser, Answered::Done) => assert!(ended_meanwhile, "{}", why()),
            _ => panic!("no documented answer: {}", why()),
        }
        // A replay that was answered has killed the grant, whatever the answer was.
        if let Act::Refresh { generation, .. } = record.act
            && record.answer != Answered::Unavailable
            && possible[0].is_replay(generation, record.now, policy)
            && !possible.iter().any(|state| may_be_gone(state))
            && !ended_meanwhile
        {
            assert!(is_revoked_now(), "a replay was survived: {}", why());
            assert_eq!(record.answer, Answered::InvalidGrant, "{}", why());
        }
    }

    /// Without grace, a token is answered with tokens once; with it, as often as asked, but there is one
    /// successor (that its text is the same is checked where the answers come in).
    fn check_single_use(&self) {
        if self.case.policy.grace > 0 {
            return;
        }
        let mut spent: Vec<u32> = Vec::new();
        for record in self.records {
            if let Answered::Tokens { generation } = record.answer {
                assert!(
                    !spent.contains(&generation),
                    "{generation} twice: {:?}",
                    self.records
                );
                spent.push(generation);
            }
        }
    }

    /// Whoever kept to the protocol was never refused, except by the end of the session.
    fn check_survival(&self, tally: &mut Tally) {
        let last = self.states.last().unwrap();
        assert!(
            !matches!(last.phase, Phase::Revoked(_)),
            "an honest client lost its session: {:?}",
            self.records
        );
        let over = |record: &&&Record| {
            let before = self
                .states
                .iter()
                .rfind(|state| state.tick < record.ended)
                .unwrap();
            record.end_time >= before.end(self.case.policy)
        };
        let refused = |record: &&&Record| record.answer == Answered::InvalidGrant;
        for record in self.records.iter().filter(refused) {
            assert!(over(&record), "an honest client was refused: {record:?}");
        }
        tally.survivors += 1;
    }
}
