//! The grant against a model of it: any sequence of acts has the outcome that section 3 of the design
//! says, and leaves the session as alive as it says. The model knows the design and nothing of the code.

use edgemint::UnixTime;
use edgemint::store::Store;
use futures_executor::block_on;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::properties::configuration;
use crate::support::session::{
    ADMIN, Handle, READ, REDIRECT, Template, VERIFIER, WRITE, about, redeem, refresh, sign_in,
};
use crate::support::{Call, World};

const CODE_LIFE: u64 = 60;
const SUBJECT: &str = "ada";

/// How a session of the application lasts.
#[derive(Debug, Clone, Copy)]
struct Policy {
    reusable: bool,
    grace: u64,
    idle: u64,
    absolute: u64,
}

impl Policy {
    fn json(self) -> Value {
        json!({
            "mode": if self.reusable { "reusable" } else { "rotate" },
            "grace": self.grace,
            "idle": self.idle,
            "absolute": self.absolute,
        })
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    let grace = prop_oneof![Just(10), Just(0), Just(1), Just(70)];
    let life = prop_oneof![
        Just((2_592_000, 7_776_000)),
        Just((60, 60)),
        Just((60, 200)),
        Just((150, 400)),
    ];
    (prop::bool::weighted(0.2), grace, life).prop_map(|(reusable, grace, (idle, absolute))| {
        Policy {
            reusable,
            grace,
            idle,
            absolute,
        }
    })
}

/// What is asked for beside the token.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Nothing,
    Part,
    All,
    TooMuch,
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        6 => Just(Asked::Nothing),
        1 => Just(Asked::Part),
        1 => Just(Asked::All),
        1 => Just(Asked::TooMuch),
    ]
}

impl Asked {
    fn of(self, call: Call) -> Call {
        match self {
            Self::Nothing => call,
            Self::Part => call.with("scope", READ),
            Self::All => call.with("scope", &format!("{WRITE} {READ}")),
            Self::TooMuch => call.with("scope", &format!("{READ} {ADMIN}")),
        }
    }

    /// The scope of the access token; none if it is more than was granted.
    fn granted(self) -> Option<String> {
        match self {
            Self::Nothing | Self::All => Some(format!("{READ} {WRITE}")),
            Self::Part => Some(READ.to_owned()),
            Self::TooMuch => None,
        }
    }
}

/// One of the refresh tokens that were handed out.
#[derive(Debug, Clone, Copy)]
enum Which {
    Newest,
    /// That many before the newest.
    Before(usize),
    Any(Index),
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        5 => Just(Which::Newest),
        3 => Just(Which::Before(1)),
        1 => Just(Which::Before(2)),
        1 => any::<Index>().prop_map(Which::Any),
    ]
}

/// What is wrong with who redeems a code, or how.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    Verifier,
    Redirect,
    NoRedirect,
    Client,
}

/// A moment that matters, and how far beside it.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Now(u64),
    CodeEnd,
    GraceEnd,
    End,
    AbsoluteEnd,
}

#[derive(Debug, Clone)]
enum Step {
    Redeem(Flaw, Asked),
    Refresh(Which, Asked, bool),
    Revoke(Which, bool),
    EndSession,
    EndUser,
    EndApplication,
    EndTenant,
    Pass(Moment, u64),
    Change(Policy),
    /// The store answers with what it held that many states ago, and goes on from there.
    GoBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let flaw = prop_oneof![
        4 => Just(Flaw::None),
        1 => Just(Flaw::Verifier),
        1 => Just(Flaw::Redirect),
        1 => Just(Flaw::NoRedirect),
        1 => Just(Flaw::Client),
    ];
    let moment = prop_oneof![
        3 => (0_u64..15).prop_map(Moment::Now),
        1 => Just(Moment::CodeEnd),
        3 => Just(Moment::GraceEnd),
        2 => Just(Moment::End),
        1 => Just(Moment::AbsoluteEnd),
    ];
    let foreign = || prop::bool::weighted(0.08);
    prop_oneof![
        4 => (flaw, asked()).prop_map(|(flaw, asked)| Step::Redeem(flaw, asked)),
        24 => (which(), asked(), foreign()).prop_map(|(w, a, f)| Step::Refresh(w, a, f)),
        1 => (which(), foreign()).prop_map(|(which, foreign)| Step::Revoke(which, foreign)),
        1 => Just(Step::EndSession),
        1 => prop_oneof![Just(Step::EndUser), Just(Step::EndApplication), Just(Step::EndTenant)],
        10 => (moment, 0_u64..3).prop_map(|(moment, beside)| Step::Pass(moment, beside)),
        3 => policy().prop_map(Step::Change),
        1 => (1_usize..4).prop_map(Step::GoBack),
    ]
}

/// The model: section 3 of the design.
#[derive(Debug, Clone)]
struct Model {
    phase: Phase,
    born: u64,
    used: u64,
    /// When the session ends by the policy of its last use.
    promised: u64,
    /// Revoked with everything of its user, application or tenant.
    past: bool,
    policy: Policy,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Pending,
    Active { generation: u32, since: u64 },
    Dead,
}

/// What an act comes to.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    /// Tokens: the generation, the seconds that it lives, the scope.
    Tokens(u32, u64, String),
    TooMuch,
    Replay,
    Refused,
    /// The token is of a generation that there has not been: an alarm.
    Alarm,
}

impl Model {
    fn end(&self) -> u64 {
        let idle = self.used + self.policy.idle;
        idle.min(self.born + self.policy.absolute)
            .min(self.promised)
    }

    fn is_live(&self, now: u64) -> bool {
        matches!(self.phase, Phase::Active { .. }) && !self.past && now < self.end()
    }

    fn redeem(&mut self, flaw: Flaw, asked: Asked, now: u64) -> Outcome {
        if flaw != Flaw::None {
            return Outcome::Refused;
        }
        match self.phase {
            Phase::Dead => Outcome::Refused,
            Phase::Active { .. } => {
                // A grant that has expired is gone: there is nothing to revoke, and no difference.
                self.phase = Phase::Dead;
                Outcome::Replay
            }
            Phase::Pending if self.past || now >= self.born + CODE_LIFE => Outcome::Refused,
            Phase::Pending => self.answer(0, true, asked, now),
        }
    }

    fn refresh(&mut self, given: u32, asked: Asked, now: u64) -> Outcome {
        let Phase::Active { generation, since } = self.phase else {
            let ahead = self.phase == Phase::Pending;
            return if ahead {
                Outcome::Alarm
            } else {
                Outcome::Refused
            };
        };
        if !self.is_live(now) {
            return Outcome::Refused;
        }
        if given > generation {
            return Outcome::Alarm;
        }
        if given == generation {
            let next = if self.policy.reusable {
                given
            } else {
                given + 1
            };
            return self.answer(next, next > given, asked, now);
        }
        let grace = self.policy.grace;
        if given + 1 == generation && grace > 0 && now <= since + grace {
            return match asked.granted() {
                Some(scope) => Outcome::Tokens(generation, self.end() - now, scope),
                None => Outcome::TooMuch,
            };
        }
        self.phase = Phase::Dead;
        Outcome::Replay
    }

    /// Tokens of this generation, unless too much is asked for: nothing is spent then.
    fn answer(&mut self, generation: u32, is_new: bool, asked: Asked, now: u64) -> Outcome {
        let Some(scope) = asked.granted() else {
            return Outcome::TooMuch;
        };
        if is_new {
            let since = now;
            self.phase = Phase::Active { generation, since };
        }
        self.used = now;
        self.promised = (now + self.policy.idle).min(self.born + self.policy.absolute);
        Outcome::Tokens(generation, self.end() - now, scope)
    }
}

/// The service and the model side by side.
struct Run<'a> {
    template: &'a Template,
    world: World,
    model: Model,
    code: String,
    place: Handle,
    /// By generation.
    tokens: Vec<String>,
    /// What the store held, and the model then: one entry a state.
    past: Vec<(String, Model)>,
}

impl<'a> Run<'a> {
    fn new(template: &'a Template, policy: Policy) -> Self {
        let world = World::empty();
        world.around.signer.learn_rsa();
        template.fill(&world.around.store.memory);
        let now = world.around.clock.now();
        let code = {
            let mine = &template.clients[0];
            block_on(sign_in(&world.issuer, mine, SUBJECT, now))
        };
        let born = now.secs();
        let mut run = Self {
            place: Handle::read(&code),
            code,
            template,
            world,
            model: Model {
                phase: Phase::Pending,
                born,
                used: born,
                promised: born + CODE_LIFE,
                past: false,
                policy,
            },
            tokens: Vec::new(),
            past: Vec::new(),
        };
        run.change(policy);
        run
    }

    fn now(&self) -> u64 {
        self.world.around.clock.now().secs()
    }

    fn take(&mut self, step: &Step) {
        let now = self.now();
        let clients = &self.template.clients;
        let by = |foreign: bool| &clients[usize::from(foreign)];
        match *step {
            Step::Redeem(flaw, asked) => {
                let call = redeem(by(flaw == Flaw::Client), &self.code);
                let call = match flaw {
                    Flaw::None | Flaw::Client => call,
                    Flaw::Verifier => call
                        .without("code_verifier")
                        .with("code_verifier", &VERIFIER.replace('d', "e")),
                    Flaw::Redirect => call
                        .without("redirect_uri")
                        .with("redirect_uri", &format!("{REDIRECT}/")),
                    Flaw::NoRedirect => call.without("redirect_uri"),
                };
                let gone = now >= self.model.end();
                let expected = self.model.redeem(flaw, asked, now);
                self.expect(&asked.of(call), &expected, gone);
            }
            Step::Refresh(which, asked, foreign) => {
                let Some(token) = self.token(which) else {
                    return;
                };
                let call = asked.of(refresh(by(foreign), &token));
                let given = Handle::read(&token).generation;
                let gone = now >= self.model.end();
                let expected = if foreign {
                    Outcome::Refused
                } else {
                    self.model.refresh(given, asked, now)
                };
                self.expect(&call, &expected, gone);
            }
            Step::Revoke(which, foreign) => {
                let Some(token) = self.token(which) else {
                    return;
                };
                let answer = self.world.send(&about("revoke", by(foreign), &token));
                assert_eq!(answer.status(), 200, "{answer:?}");
                if !foreign {
                    self.model.phase = Phase::Dead;
                }
            }
            Step::EndSession => {
                let id = &self.place.id;
                let act = json!({"tenant": "demo", "subject": SUBJECT, "id": id});
                // It may be gone from the store, and then there is nothing to end.
                let _ = self.act(&json!({ "endSession": act }));
                self.model.phase = Phase::Dead;
            }
            Step::EndUser => {
                let act = json!({"endUserSessions": {"tenant": "demo", "subject": SUBJECT}});
                self.act(&act).unwrap();
                self.end_all();
            }
            Step::EndApplication => {
                let id = &clients[0].id;
                let act = json!({"endApplicationSessions": {"tenant": "demo", "clientId": id}});
                self.world.administer(act);
                self.end_all();
            }
            Step::EndTenant => {
                self.world
                    .administer(json!({"endTenantSessions": {"tenant": "demo"}}));
                self.end_all();
            }
            Step::Pass(moment, beside) => {
                let since = match self.model.phase {
                    Phase::Active { since, .. } => since,
                    _ => self.model.used,
                };
                let to = match moment {
                    Moment::Now(seconds) => now + seconds,
                    Moment::CodeEnd => self.model.born + CODE_LIFE,
                    Moment::GraceEnd => since + self.model.policy.grace,
                    Moment::End => self.model.end(),
                    Moment::AbsoluteEnd => self.model.born + self.model.policy.absolute,
                };
                // One second before it, at it, one second after; never backwards.
                let to = (to + beside).saturating_sub(1).max(now);
                self.world.around.clock.set(UnixTime::from_secs(to));
            }
            Step::Change(policy) => self.change(policy),
            Step::GoBack(states) => self.go_back(states),
        }
    }

    /// Sends a request, and checks that it comes to what is expected. A grant that has expired may be
    /// gone from the store, where a replay is not told from any other refusal.
    #[track_caller]
    fn expect(&mut self, call: &Call, expected: &Outcome, gone: bool) {
        self.world.events();
        let answer = self.world.send(call);
        let event = self.world.events().pop().map(|event| event.reason);
        let got = match (answer.status(), event) {
            (200, Some("token_issued")) => {
                let body = answer.json();
                let token = body["refresh_token"].as_str().unwrap().to_owned();
                let generation = Handle::read(&token).generation;
                let at = usize::try_from(generation).unwrap();
                // One generation is one token, however often it is answered with.
                match self.tokens.get(at) {
                    Some(known) => assert_eq!(*known, token),
                    None => {
                        assert_eq!(self.tokens.len(), at);
                        self.tokens.push(token);
                    }
                }
                let left = body["refresh_token_expires_in"].as_u64().unwrap();
                let scope = body["scope"].as_str().unwrap().to_owned();
                Outcome::Tokens(generation, left, scope)
            }
            (400, Some("grant_scope")) => {
                answer.refused(400, "invalid_scope");
                Outcome::TooMuch
            }
            (400, Some(reason)) => {
                answer.refused(400, "invalid_grant");
                match reason {
                    "grant_replayed" | "grant_code_replayed" => Outcome::Replay,
                    "grant_ahead" => Outcome::Alarm,
                    _ => Outcome::Refused,
                }
            }
            _ => panic!("no documented answer: {answer:?}"),
        };
        let same = got == *expected || gone && got == Outcome::Refused;
        assert!(
            same,
            "{got:?} where the model says {expected:?}: {:?}",
            self.model
        );
    }

    /// Whether the session is listed if it is alive.
    fn check_list(&self) {
        let live = self.model.is_live(self.now());
        let list = json!({"listSessions": {"tenant": "demo", "subject": SUBJECT}});
        let list = self.act(&list).unwrap();
        let listed = list["items"].as_array().unwrap();
        assert_eq!(
            listed.len(),
            usize::from(live),
            "{listed:?}: {:?}",
            self.model
        );
    }

    /// Whether a token introspects as active if it would be honoured. Asking changes nothing.
    fn check_introspection(&self) {
        let now = self.now();
        let Some(newest) = self.token(Which::Newest) else {
            return;
        };
        let active = |token: &str| {
            let asking = about("introspect", &self.template.clients[0], token);
            self.world.send(&asking).accepted()["active"] == true
        };
        // The newest token that was handed out; the store may have gone back behind it.
        let mut expected = self.model.clone();
        let generation = Handle::read(&newest).generation;
        let honoured = expected.refresh(generation, Asked::Nothing, now);
        let honoured = matches!(honoured, Outcome::Tokens(..));
        assert_eq!(active(&newest), honoured, "{:?}", self.model);
    }

    fn remember(&mut self) {
        let Some(text) = self.stored() else { return };
        if self.past.last().is_none_or(|(known, _)| *known != text) {
            self.past.push((text, self.model.clone()));
        }
    }

    fn go_back(&mut self, states: usize) {
        let Some(at) = self.past.len().checked_sub(1 + states) else {
            return;
        };
        if self.stored().is_none() {
            return;
        }
        self.past.truncate(at + 1);
        let (text, model) = self.past[at].clone();
        self.world.around.store.overwrite(&self.place.grant, &text);
        // Only the grant's record went back: epochs and policy are what they are.
        self.model = Model {
            past: self.model.past,
            policy: self.model.policy,
            ..model
        };
    }

    fn stored(&self) -> Option<String> {
        let found = block_on(self.world.around.store.memory.get(&self.place.grant));
        found.unwrap().map(|found| found.value)
    }

    fn change(&mut self, policy: Policy) {
        let id = &self.template.clients[0].id;
        self.world.administer(json!({"updateApplication": {
            "tenant": "demo", "clientId": id, "refresh": policy.json(),
        }}));
        self.model.policy = policy;
    }

    fn end_all(&mut self) {
        self.model.past = true;
    }

    fn act(&self, act: &Value) -> Result<Value, String> {
        self.world.try_act(act).map_err(|error| error.to_string())
    }

    fn token(&self, which: Which) -> Option<String> {
        let at = match which {
            Which::Newest => self.tokens.len().checked_sub(1)?,
            Which::Before(back) => self.tokens.len().checked_sub(1 + back)?,
            Which::Any(index) if !self.tokens.is_empty() => index.index(self.tokens.len()),
            Which::Any(_) => return None,
        };
        self.tokens.get(at).cloned()
    }
}

/// Answers are documented ones, outcomes and liveness the model's: requirements 19 to 24, 27, 29, 32, 34
/// and 35 in any order.
#[test]
fn r19_to_r35_any_sequence_of_acts_comes_to_what_the_design_says() {
    let template = Template::new(&[json!({}), json!({})]);
    let mut configuration = configuration();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        configuration.cases = 2_000;
    }
    proptest!(configuration, |(
        policy in policy(),
        redeemed in prop::bool::weighted(0.9),
        steps in prop::collection::vec(step(), 1..20),
    )| {
        let mut run = Run::new(&template, policy);
        run.remember();
        if redeemed {
            run.take(&Step::Redeem(Flaw::None, Asked::Nothing));
        }
        for (at, step) in steps.iter().enumerate() {
            run.remember();
            run.take(step);
            // Either way of asking, in turn.
            if at % 2 == 0 {
                run.check_introspection();
            } else {
                run.check_list();
            }
        }
        run.check_introspection();
        run.check_list();
    });
}
