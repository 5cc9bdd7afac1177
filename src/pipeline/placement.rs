//! Which stage runs on which core, how its thread waits, and why.
//!
//! Stages on one core run fused in one thread, with no queue between them. A plan is asked for in words
//! ([`PlanRequest`]), checked against the [`Machine`], and comes out as a [`Plan`] that can explain itself.

use super::machine::Machine;
use super::wait::WaitStrategy;
use core::fmt;
use core::str::FromStr;
use std::fmt::Write;

/// A stage of the line, as plans name it. The risk gate runs with the strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StageName {
    /// Bytes to ledger events.
    Feed,
    /// Book and account.
    Book,
    /// Strategies and the risk gate.
    Strategy,
    /// Transactions.
    Execution,
}

impl StageName {
    /// All stages, in the order of the line.
    pub const ALL: [Self; 4] = [Self::Feed, Self::Book, Self::Strategy, Self::Execution];

    /// Its name in configuration, metrics and thread names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Book => "book",
            Self::Strategy => "strategy",
            Self::Execution => "execution",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == word)
    }
}

/// How the stages are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// What the machine can bear.
    #[default]
    Auto,
    /// All in one thread.
    Fused,
    /// Each in a thread of its own.
    Split,
    /// Each on this core, in the order of [`StageName::ALL`]; stages on one core are fused.
    Cores([usize; 4]),
}

/// A plan as configuration asks for it: `auto`, `fused`, `split` or `feed=2,book=3,strategy=3,execution=4`; then, if
/// wanted, `wait=spin`, `wait=yield`, `wait=park` or `wait=auto`. Words are separated by commas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanRequest {
    /// Where.
    pub spread: Spread,
    /// How to wait; `None` leaves it to the machine.
    pub wait: Option<WaitStrategy>,
}

/// Why a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A word that is none of ours.
    #[error(
        "`{0}` is no part of a plan; write auto, fused, split, or a core for each stage as in \
         feed=2,book=3,strategy=3,execution=4, and then wait=spin, wait=yield, wait=park or wait=auto"
    )]
    Word(String),
    /// A word that says again, or otherwise, what was said before.
    #[error("`{0}` says again what the plan has said before; say each thing once")]
    Twice(String),
    /// A value that is no core number.
    #[error("`{0}` is no core number; cores count from 0, as in /proc/cpuinfo")]
    CoreNumber(String),
    /// Some stages were given cores, and this one not.
    #[error("the plan gives no core for `{}`; give one for each of feed, book, strategy and execution", .0.name())]
    Missing(StageName),
    /// The core is not ours.
    #[error(
        "the plan puts `{}` on core {core}, but this process may run on {allowed} only; choose one of these, or widen \
         its affinity (taskset, cpuset, the pod's CPU request)", .stage.name()
    )]
    Core {
        /// The stage.
        stage: StageName,
        /// Its core.
        core: usize,
        /// The cores that may be used, as text.
        allowed: String,
    },
}

impl FromStr for PlanRequest {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut spread = None;
        let mut cores = [None; 4];
        let mut wait = None;
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let twice = || PlanError::Twice(word.to_owned());
            let unknown = || PlanError::Word(word.to_owned());
            match word.split_once('=') {
                None => {
                    let named = match word {
                        "auto" => Spread::Auto,
                        "fused" => Spread::Fused,
                        "split" => Spread::Split,
                        _ => return Err(unknown()),
                    };
                    set_once(&mut spread, named).ok_or_else(twice)?;
                }
                Some(("wait", strategy)) => {
                    set_once(&mut wait, parse_wait(strategy).ok_or_else(unknown)?).ok_or_else(twice)?;
                }
                Some((stage, core)) => {
                    let stage = StageName::parse(stage).ok_or_else(unknown)?;
                    let core = core.parse().map_err(|_| PlanError::CoreNumber(core.to_owned()))?;
                    set_once(&mut cores[stage as usize], core).ok_or_else(twice)?;
                }
            }
        }
        let placed = cores.iter().any(Option::is_some);
        if let (Some(_), true) = (spread, placed) {
            return Err(PlanError::Twice(text.to_owned()));
        }
        let spread = if placed { all_cores(cores)? } else { spread.unwrap_or_default() };
        Ok(Self { spread, wait: wait.flatten() })
    }
}

fn set_once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

fn parse_wait(word: &str) -> Option<Option<WaitStrategy>> {
    match word {
        "auto" => Some(None),
        "spin" => Some(Some(WaitStrategy::Spin)),
        "yield" => Some(Some(WaitStrategy::Yield)),
        "park" => Some(Some(WaitStrategy::Park)),
        _ => None,
    }
}

fn all_cores(cores: [Option<usize>; 4]) -> Result<Spread, PlanError> {
    let mut placed = [0; 4];
    for stage in StageName::ALL {
        placed[stage as usize] = cores[stage as usize].ok_or(PlanError::Missing(stage))?;
    }
    Ok(Spread::Cores(placed))
}

/// One hot thread of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotThread {
    /// Its stages, in the order of the line.
    pub stages: Vec<StageName>,
    /// The core it is pinned to; `None` leaves it to the scheduler.
    pub core: Option<usize>,
}

impl HotThread {
    /// Its name, at most the 15 bytes that Linux keeps: `feed`, `feed+book`, `line` for all.
    #[must_use]
    pub fn name(&self) -> String {
        if self.stages.len() == StageName::ALL.len() {
            return "line".to_owned();
        }
        let whole = self.stages.iter().map(|stage| stage.name()).collect::<Vec<_>>().join("+");
        if whole.len() <= 15 {
            return whole;
        }
        self.stages.iter().map(|stage| &stage.name()[..4]).collect::<Vec<_>>().join("+")
    }
}

/// Which threads there are, where, and how they wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The threads, in the order of the line.
    pub threads: Vec<HotThread>,
    /// How each of them waits.
    pub wait: WaitStrategy,
    reasons: Vec<String>,
}

/// Whole cores that `auto` wants before it splits: one a stage, and one for all that is not on the line.
const CORES_TO_SPLIT: usize = StageName::ALL.len() + 1;

/// Processors that `auto` wants, shared as they may be, before it polls for them without sleeping.
const CPUS_TO_YIELD: usize = 4;

impl Plan {
    /// Fits a request to a machine.
    ///
    /// # Errors
    /// If a core is asked for that this process may not use.
    pub fn fit(request: &PlanRequest, machine: &Machine) -> Result<Self, PlanError> {
        let mut reasons = vec![machine.to_string()];
        let threads = match request.spread {
            Spread::Auto => auto_threads(machine, &mut reasons),
            Spread::Fused => fused_threads(machine, &mut reasons),
            Spread::Split => split_threads(machine, &mut reasons),
            Spread::Cores(cores) => placed_threads(cores, machine, &mut reasons)?,
        };
        let wait = match request.wait {
            Some(wait) => asked_wait(wait, &threads, machine, &mut reasons),
            None => safe_wait(&threads, machine, &mut reasons),
        };
        Ok(Self { threads, wait, reasons })
    }

    /// The plan and the reasons for it, a line each.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = format!("{self}\n");
        for reason in &self.reasons {
            // Writing to a string cannot fail.
            writeln!(text, "  {reason}").unwrap_or_default();
        }
        text
    }

    /// The thread that runs `stage`, as an index into [`threads`](Self::threads).
    #[must_use]
    pub fn thread_of(&self, stage: StageName) -> usize {
        let threads = self.threads.iter();
        threads.take_while(|thread| !thread.stages.contains(&stage)).count()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for thread in &self.threads {
            let stages = thread.stages.iter().map(|stage| stage.name()).collect::<Vec<_>>().join("+");
            match thread.core {
                Some(core) => write!(f, "{stages} on core {core}, ")?,
                None => write!(f, "{stages} on any core, ")?,
            }
        }
        write!(f, "wait={}", self.wait.name())
    }
}

fn line_on(core: Option<usize>) -> Vec<HotThread> {
    vec![HotThread { stages: StageName::ALL.to_vec(), core }]
}

fn auto_threads(machine: &Machine, reasons: &mut Vec<String>) -> Vec<HotThread> {
    let whole = machine.whole_cores();
    if machine.is_exclusive() && machine.quota_cpus().is_none() && whole.len() >= CORES_TO_SPLIT {
        reasons.push(format!("{} whole cores are ours alone: a thread a stage, and the rest for others", whole.len()));
        return split_threads(machine, reasons);
    }
    reasons.push(format!(
        "all stages in one thread: splitting wants {CORES_TO_SPLIT} whole cores of our own and no quota; one thread has \
         no queue between stages"
    ));
    fused_threads(machine, reasons)
}

fn fused_threads(machine: &Machine, reasons: &mut Vec<String>) -> Vec<HotThread> {
    match machine.whole_cores().last() {
        Some(&core) if machine.is_exclusive() && machine.whole_cores().len() > 1 => {
            reasons.push(format!("pinned to core {core}, the last of ours (interrupts tend to go to the first)"));
            line_on(Some(core))
        }
        _ => {
            reasons.push(
                "not pinned: no core is known to be ours alone, and the scheduler can move it off a busy one".into(),
            );
            line_on(None)
        }
    }
}

fn split_threads(machine: &Machine, reasons: &mut Vec<String>) -> Vec<HotThread> {
    let mut cores: Vec<usize> = machine.whole_cores();
    if cores.len() < StageName::ALL.len() {
        cores = machine.cpus().to_vec();
    }
    let pinned = cores.len() >= StageName::ALL.len();
    if !pinned {
        reasons.push(format!("split over {} cores for {} threads: not pinned", cores.len(), StageName::ALL.len()));
    }
    let first = cores.len().saturating_sub(StageName::ALL.len());
    let core_of = |index: usize| pinned.then(|| cores[first + index]);
    StageName::ALL
        .into_iter()
        .enumerate()
        .map(|(index, stage)| HotThread { stages: vec![stage], core: core_of(index) })
        .collect()
}

fn placed_threads(
    cores: [usize; 4],
    machine: &Machine,
    reasons: &mut Vec<String>,
) -> Result<Vec<HotThread>, PlanError> {
    let mut threads: Vec<HotThread> = Vec::new();
    for (stage, core) in StageName::ALL.into_iter().zip(cores) {
        if !machine.cpus().contains(&core) {
            return Err(PlanError::Core { stage, core, allowed: machine.cpu_list() });
        }
        match threads.iter_mut().find(|thread| thread.core == Some(core)) {
            Some(thread) => thread.stages.push(stage),
            None => threads.push(HotThread { stages: vec![stage], core: Some(core) }),
        }
    }
    reasons.push("cores as configured".into());
    Ok(threads)
}

/// Whether spinning threads leave a processor for everything else.
fn leaves_room(threads: &[HotThread], machine: &Machine) -> bool {
    machine.cpus().len() > threads.len()
}

fn asked_wait(wait: WaitStrategy, threads: &[HotThread], machine: &Machine, reasons: &mut Vec<String>) -> WaitStrategy {
    reasons.push(format!("waiting by {} as configured", wait.name()));
    if wait == WaitStrategy::Spin && !leaves_room(threads, machine) {
        reasons.push(format!(
            "warning: {} spinning threads on {} processors leave none for the rest, and will be interrupted for it",
            threads.len(),
            machine.cpus().len()
        ));
    }
    if let (true, Some(quota)) = (wait != WaitStrategy::Park, machine.quota_cpus()) {
        reasons.push(format!("warning: a quota of {quota:.2} processors will stop threads that never sleep"));
    }
    wait
}

fn safe_wait(threads: &[HotThread], machine: &Machine, reasons: &mut Vec<String>) -> WaitStrategy {
    if let Some(quota) = machine.quota_cpus() {
        reasons.push(format!("park: a quota of {quota:.2} processors stops threads that never sleep"));
        return WaitStrategy::Park;
    }
    let pinned = threads.iter().all(|thread| thread.core.is_some());
    if machine.is_exclusive() && pinned && leaves_room(threads, machine) {
        reasons.push("spin: the cores are ours alone, there is one to spare, and there is no quota".into());
        return WaitStrategy::Spin;
    }
    if machine.cpus().len() >= CPUS_TO_YIELD && threads.len() * 2 <= machine.cpus().len() {
        reasons.push("yield: processors enough and no quota, but they are shared".into());
        return WaitStrategy::Yield;
    }
    reasons.push("park: few processors, and they are shared".into());
    WaitStrategy::Park
}

/// A thread could not be pinned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "could not pin the thread to core {core}: this process may run on {allowed}; the core is offline or outside its \
     affinity (taskset, cpuset, the pod's CPU request)"
)]
pub struct PinError {
    /// The core.
    pub core: usize,
    /// The cores that the thread may use, as text.
    pub allowed: String,
}

/// Pins the current thread to a core.
///
/// # Errors
/// If the system refuses.
pub fn pin_current(core: usize) -> Result<(), PinError> {
    // The mask of `core_affinity` has room for this many.
    const LARGEST_CORE: usize = 1023;
    if core <= LARGEST_CORE && core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        return Ok(());
    }
    Err(PinError { core, allowed: Machine::look().cpu_list() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, machine: &Machine) -> Plan {
        Plan::fit(&text.parse().unwrap(), machine).unwrap()
    }

    fn dedicated(cpus: usize) -> Machine {
        Machine::imagined((2..2 + cpus).collect(), 16, None)
    }

    fn shared(cpus: usize) -> Machine {
        Machine::imagined((0..cpus).collect(), cpus, None)
    }

    #[test]
    fn auto_spins_on_split_cores_only_where_enough_are_ours_alone() {
        let plan_of = |machine: &Machine| plan("auto", machine).to_string();
        assert_eq!(
            plan_of(&dedicated(6)),
            "feed on core 4, book on core 5, strategy on core 6, execution on core 7, wait=spin"
        );
        assert_eq!(plan_of(&dedicated(3)), "feed+book+strategy+execution on core 4, wait=spin");
        assert_eq!(plan_of(&dedicated(1)), "feed+book+strategy+execution on any core, wait=park");
        assert_eq!(plan_of(&shared(16)), "feed+book+strategy+execution on any core, wait=yield");
        assert_eq!(plan_of(&shared(2)), "feed+book+strategy+execution on any core, wait=park");
    }

    #[test]
    fn under_a_quota_nothing_spins_by_itself() {
        let machine = Machine::imagined((2..12).collect(), 16, Some(4.0));
        for text in ["auto", "fused", "split", "feed=2,book=3,strategy=4,execution=5"] {
            let plan = plan(text, &machine);
            assert_eq!(plan.wait, WaitStrategy::Park, "{text}");
            assert!(plan.explain().contains("quota of 4.00"), "{}", plan.explain());
        }
        let asked = plan("fused,wait=spin", &machine);
        assert_eq!(asked.wait, WaitStrategy::Spin);
        assert!(asked.explain().contains("warning: a quota of 4.00"), "{}", asked.explain());
    }

    #[test]
    fn stages_on_one_core_are_fused() {
        let plan = plan("feed=2,book=3,strategy=3,execution=4,wait=park", &dedicated(4));
        assert_eq!(
            plan.threads.iter().map(HotThread::name).collect::<Vec<_>>(),
            ["feed", "book+strategy", "execution"]
        );
        assert_eq!(plan.threads.iter().map(|thread| thread.core).collect::<Vec<_>>(), [Some(2), Some(3), Some(4)]);
        assert_eq!(StageName::ALL.map(|stage| plan.thread_of(stage)), [0, 1, 1, 2]);
    }

    #[test]
    fn a_split_over_too_few_cores_is_not_pinned_and_does_not_spin() {
        let plan = plan("split", &shared(2));
        assert_eq!(plan.threads.len(), 4);
        assert!(plan.threads.iter().all(|thread| thread.core.is_none()));
        assert_eq!(plan.wait, WaitStrategy::Park);
        assert!(plan.explain().contains("split over 2 cores for 4 threads: not pinned"), "{}", plan.explain());
    }

    #[test]
    fn spinning_where_it_starves_the_rest_is_warned_of() {
        let plan = plan("feed=0,book=0,strategy=1,execution=1,wait=spin", &shared(2));
        assert!(plan.explain().contains("warning: 2 spinning threads on 2 processors"), "{}", plan.explain());
    }

    #[test]
    fn thread_names_fit_what_linux_keeps() {
        for mask in 1_u8..16 {
            let of_mask = |stage: &StageName| mask & (1 << *stage as u8) != 0;
            let name = HotThread { stages: StageName::ALL.into_iter().filter(of_mask).collect(), core: None }.name();
            assert!(!name.is_empty() && name.len() <= 15, "{name}");
        }
    }

    #[test]
    fn a_wrong_plan_says_what_is_wrong_and_what_would_be_right() {
        let refused = |text: &str| text.parse::<PlanRequest>().unwrap_err().to_string();
        assert!(refused("fuse").starts_with("`fuse` is no part of a plan; write auto, fused, split"));
        assert!(refused("fused,wait=nap").starts_with("`wait=nap` is no part of a plan"));
        assert!(refused("fused,split").contains("says again"));
        assert!(refused("fused,feed=1,book=1,strategy=1,execution=1").contains("says again"));
        assert!(refused("wait=park,wait=park").contains("says again"));
        assert!(refused("feed=x").starts_with("`x` is no core number"));
        assert!(refused("feed=-1").starts_with("`-1` is no core number"));
        assert!(refused("feed=1,book=2,execution=3").starts_with("the plan gives no core for `strategy`"));
        let request = "feed=2,book=3,strategy=3,execution=9".parse().unwrap();
        let error = Plan::fit(&request, &dedicated(4)).unwrap_err();
        assert_eq!(error, PlanError::Core { stage: StageName::Execution, core: 9, allowed: "2-5".into() },);
        assert!(error.to_string().contains("puts `execution` on core 9, but this process may run on 2-5 only"));
    }

    #[test]
    fn nothing_asked_is_auto() {
        assert_eq!("".parse::<PlanRequest>(), Ok(PlanRequest::default()));
        assert_eq!("auto, wait=auto".parse::<PlanRequest>(), Ok(PlanRequest::default()));
    }

    #[test]
    fn a_pinned_thread_runs_where_it_was_put_and_a_core_that_is_not_there_is_an_error() {
        let core = *Machine::look().cpus().last().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pin_current(core).unwrap();
                assert_eq!(Machine::look().cpus(), [core]);
                let error = pin_current(1_000).unwrap_err();
                assert!(error.to_string().contains("could not pin the thread to core 1000"), "{error}");
                assert!(pin_current(100_000).is_err());
            });
        });
    }
}
