//! What the machine lets this process have: processors, whole cores among them, and a quota.
//!
//! Sources: the affinity mask (`sched_getaffinity`), `/sys/devices/system/cpu` (online, isolated, siblings), and control
//! groups: `cpu.max` of version 2, `cpu.cfs_quota_us` of version 1. What cannot be read counts as not there.

use core::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The machine, as this process may use it.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    cpus: Vec<usize>,
    online: Vec<usize>,
    isolated: Vec<usize>,
    /// Siblings of each of `cpus`, itself included: processors that share its core.
    siblings: Vec<Vec<usize>>,
    quota_cpus: Option<f64>,
}

impl Machine {
    /// Looks at the machine. Ask before any pinning: a pinned thread sees its own core only.
    #[must_use]
    pub fn look() -> Self {
        let affinity = core_affinity::get_core_ids().unwrap_or_default();
        Self::read(affinity.into_iter().map(|core| core.id).collect(), Path::new("/"))
    }

    fn read(affinity: Vec<usize>, root: &Path) -> Self {
        let system = root.join("sys/devices/system/cpu");
        let online = read_list(&system.join("online"));
        let cpus = if affinity.is_empty() { online.clone() } else { affinity };
        let siblings = cpus
            .iter()
            .map(|cpu| {
                let list = read_list(&system.join(format!("cpu{cpu}/topology/thread_siblings_list")));
                if list.is_empty() { vec![*cpu] } else { list }
            })
            .collect();
        Self { cpus, online, isolated: read_list(&system.join("isolated")), siblings, quota_cpus: quota(root) }
    }

    /// Processors that this process may run on, ascending.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// Processors' worth of time that a control group allows, if it limits it.
    #[must_use]
    pub fn quota_cpus(&self) -> Option<f64> {
        self.quota_cpus
    }

    /// One processor of each core whose siblings are all ours, ascending.
    #[must_use]
    pub fn whole_cores(&self) -> Vec<usize> {
        let is_whole = |siblings: &[usize]| siblings.iter().all(|sibling| self.cpus.contains(sibling));
        let is_first = |cpu: usize, siblings: &[usize]| siblings.iter().min() == Some(&cpu);
        let cores = self.cpus.iter().zip(&self.siblings);
        cores.filter(|(cpu, siblings)| is_first(**cpu, siblings) && is_whole(siblings)).map(|(cpu, _)| *cpu).collect()
    }

    /// Whether somebody has set these processors apart for us: they are isolated from the scheduler, or the process was
    /// given some of the machine's and not all (a cpuset, as Kubernetes' static CPU manager makes it, or taskset).
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        let isolated = !self.cpus.is_empty() && self.cpus.iter().all(|cpu| self.isolated.contains(cpu));
        isolated || self.cpus.len() < self.online.len()
    }

    /// The processors in the kernel's notation, such as `0-3,8`.
    #[must_use]
    pub fn cpu_list(&self) -> String {
        format_list(&self.cpus)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "machine: processors {} of {} online", self.cpu_list(), self.online.len().max(self.cpus.len()))?;
        write!(f, ", {} whole cores", self.whole_cores().len())?;
        write!(f, ", {}", if self.is_exclusive() { "set apart for us" } else { "shared with others" })?;
        match self.quota_cpus {
            Some(quota) => write!(f, ", quota of {quota:.2} processors"),
            None => write!(f, ", no quota"),
        }
    }
}

fn read_list(path: &Path) -> Vec<usize> {
    fs::read_to_string(path).map(|text| parse_list(text.trim())).unwrap_or_default()
}

/// More processors than Linux can be built for.
const MOST_CPUS: usize = 8192;

/// Reads the kernel's list notation; what is no list is empty.
fn parse_list(text: &str) -> Vec<usize> {
    let range = |part: &str| -> Option<core::ops::RangeInclusive<usize>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse::<usize>().ok()?.min(MOST_CPUS))
    };
    text.split(',').filter_map(range).flatten().collect()
}

fn format_list(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let text = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The tightest quota among our control group and its parents, in processors.
fn quota(root: &Path) -> Option<f64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut tightest: Option<f64> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let mounts = root.join("sys/fs/cgroup");
        let found = if controllers.is_empty() {
            tightest_in(&[mounts.clone(), mounts.join("unified")], path, quota_v2)
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            tightest_in(&[mounts.join(controllers), mounts.join("cpu")], path, quota_v1)
        } else {
            None
        };
        tightest = [tightest, found].into_iter().flatten().reduce(f64::min);
    }
    tightest
}

/// Asks the group and each of its parents. In a container the path is often the host's, and only the mount's root is
/// there: it then is our group.
fn tightest_in(mounts: &[PathBuf], path: &str, read: impl Fn(&Path) -> Option<f64>) -> Option<f64> {
    let relative = Path::new(path.trim_start_matches('/'));
    let folders = mounts.iter().flat_map(|mount| relative.ancestors().map(move |part| mount.join(part)));
    folders.filter_map(|folder| read(&folder)).reduce(f64::min)
}

fn quota_v2(folder: &Path) -> Option<f64> {
    let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

fn quota_v1(folder: &Path) -> Option<f64> {
    let read = |name| fs::read_to_string(folder.join(name)).ok();
    ratio(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())
}

/// Quota over period; none for `max` and for −1.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
impl Machine {
    /// A machine for tests: `cpus` of `online` processors, each a core of its own.
    pub(crate) fn imagined(cpus: Vec<usize>, online: usize, quota_cpus: Option<f64>) -> Self {
        let siblings = cpus.iter().map(|cpu| vec![*cpu]).collect();
        Self { cpus, online: (0..online).collect(), isolated: vec![], siblings, quota_cpus }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system for one test, gone after it.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let path = std::env::temp_dir().join(format!("machine-{name}-{}", std::process::id()));
            for (file, text) in files {
                let file = path.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Self(path)
        }

        fn read(&self, affinity: &[usize]) -> Machine {
            Machine::read(affinity.to_vec(), &self.0)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn this_machine_has_a_processor() {
        let machine = Machine::look();
        assert!(!machine.cpus().is_empty());
        assert!(machine.to_string().starts_with("machine: processors "), "{machine}");
    }

    #[test]
    fn lists_are_read_and_written_as_the_kernel_does() {
        assert_eq!(parse_list("0-3,8,10-11"), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(format_list(&[0, 1, 2, 3, 8, 10, 11]), "0-3,8,10-11");
        assert_eq!(parse_list(""), [0_usize; 0]);
    }

    #[test]
    fn a_core_is_whole_only_if_its_siblings_are_ours() {
        let root = Root::new(
            "siblings",
            &[
                ("sys/devices/system/cpu/online", "0-7\n"),
                ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,5\n"),
                ("sys/devices/system/cpu/cpu5/topology/thread_siblings_list", "1,5\n"),
                ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2,6\n"),
            ],
        );
        let machine = root.read(&[1, 2, 5]);
        assert_eq!(machine.whole_cores(), [1]);
        assert!(machine.is_exclusive());
        assert_eq!(
            machine.to_string(),
            "machine: processors 1-2,5 of 8 online, 1 whole cores, set apart for us, no quota"
        );
        assert!(!root.read(&[0, 1, 2, 3, 4, 5, 6, 7]).is_exclusive());
    }

    #[test]
    fn isolated_processors_are_exclusive() {
        let root = Root::new(
            "isolated",
            &[("sys/devices/system/cpu/online", "0-1\n"), ("sys/devices/system/cpu/isolated", "0-1\n")],
        );
        assert!(root.read(&[0, 1]).is_exclusive());
    }

    #[test]
    fn the_tightest_quota_of_version_2_counts() {
        let root = Root::new(
            "v2",
            &[
                ("proc/self/cgroup", "0::/kubepods/pod1\n"),
                ("sys/fs/cgroup/kubepods/cpu.max", "150000 100000\n"),
                ("sys/fs/cgroup/kubepods/pod1/cpu.max", "max 100000\n"),
            ],
        );
        assert_eq!(root.read(&[0]).quota_cpus(), Some(1.5));
    }

    #[test]
    fn a_quota_of_version_1_is_found_at_the_mount_if_the_path_is_the_hosts() {
        let root = Root::new(
            "v1",
            &[
                ("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ],
        );
        assert_eq!(root.read(&[0]).quota_cpus(), Some(0.5));
        let root = Root::new(
            "v1-none",
            &[
                ("proc/self/cgroup", "1:cpu:/\n"),
                ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
                ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ],
        );
        assert_eq!(root.read(&[0]).quota_cpus(), None);
    }
}
