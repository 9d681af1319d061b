//! Reading the files of the caches ahead, on several threads.
//!
//! Nothing is decided here: a file that is read in vain is left, one that was not read is read
//! when it is needed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use captures::Source;

use super::MOST_INDEXES;
use crate::sysfs::CpuSet;
use crate::sysfs::cpu::ROOT;
use crate::sysfs::reader::Reader;

/// CPUs a thread takes at a time.
const CPUS_AT_A_TIME: usize = 4;

/// Fewer CPUs than this are not worth a thread.
const CPUS_WORTH_A_THREAD: usize = 8;

/// CPUs that call for one thread more.
const CPUS_PER_THREAD: usize = 256;

/// Most threads beside the caller's.
const MOST_THREADS: usize = 3;

/// The files of one cache, those that are there.
pub(super) struct Texts {
    pub(super) kind: String,
    pub(super) level: Option<String>,
    pub(super) map: Option<String>,
    /// Read where the map does not tell the CPUs.
    pub(super) list: Option<String>,
    pub(super) size: Option<String>,
    pub(super) line: Option<String>,
    pub(super) ways: Option<String>,
}

impl Texts {
    /// `None` when there is no such cache.
    pub(super) fn read(reader: &Reader<'_>, cpu: u32, index: usize) -> Option<Self> {
        let text = |name: &str| reader.text(&format!("{ROOT}/cpu{cpu}/cache/index{index}/{name}"));
        let kind = text("type")?;
        let level = text("level");
        let map = text("shared_cpu_map");
        let told = map.as_deref().and_then(CpuSet::parse_mask).is_some();
        Some(Self {
            kind,
            level,
            map,
            list: if told { None } else { text("shared_cpu_list") },
            size: text("size"),
            line: text("coherency_line_size"),
            ways: text("ways_of_associativity"),
        })
    }

    /// CPUs that share the cache, as far as it tells.
    fn cpus(&self) -> Option<CpuSet> {
        let map = self.map.as_deref().and_then(CpuSet::parse_mask);
        map.or_else(|| self.list.as_deref().and_then(CpuSet::parse_list))
    }
}

/// Files read ahead, by CPU and index; `None` for a cache that is not there.
#[derive(Default)]
pub struct Ahead(HashMap<(u32, usize), Option<Texts>>);

impl Ahead {
    /// What was read of a cache, `None` when it was not looked for.
    #[expect(clippy::option_option, reason = "not looked for, and not there")]
    pub(super) fn take(&mut self, cpu: u32, index: usize) -> Option<Option<Texts>> {
        self.0.remove(&(cpu, index))
    }
}

/// Reads files of the caches of the online CPUs, on other threads while `meanwhile` runs, then
/// on this one too.
pub fn ahead(source: &Source, online: &CpuSet, meanwhile: impl FnOnce()) -> Ahead {
    let cpus: Vec<u32> = online.iter().collect();
    if cpus.len() < CPUS_WORTH_A_THREAD {
        meanwhile();
        return Ahead::default();
    }
    let threads = cpus.len().div_ceil(CPUS_PER_THREAD).min(MOST_THREADS);
    let work = Work {
        source,
        cpus,
        next: AtomicUsize::new(0),
        covered: Mutex::default(),
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| work.run())).collect();
        meanwhile();
        let mut texts = work.run();
        for thread in threads {
            // what a thread that ended badly did not read is read later
            texts.extend(thread.join().unwrap_or_default());
        }
        Ahead(texts)
    })
}

/// What the threads share.
struct Work<'a> {
    source: &'a Source,
    cpus: Vec<u32>,
    /// Index of the CPU that nobody has taken.
    next: AtomicUsize,
    /// For each index, CPUs in a mask that was read.
    covered: Mutex<Vec<CpuSet>>,
}

impl Work<'_> {
    /// Takes CPUs until there are none.
    fn run(&self) -> HashMap<(u32, usize), Option<Texts>> {
        let mut found = HashMap::new();
        let reader = Reader::new(self.source);
        loop {
            let first = self.next.fetch_add(CPUS_AT_A_TIME, Ordering::Relaxed);
            let rest = self.cpus.get(first..).unwrap_or_default();
            if rest.is_empty() {
                return found;
            }
            for &cpu in rest.iter().take(CPUS_AT_A_TIME) {
                self.read_cpu(&reader, cpu, &mut found);
            }
        }
    }

    fn read_cpu(&self, reader: &Reader<'_>, cpu: u32, found: &mut HashMap<(u32, usize), Option<Texts>>) {
        for index in 0..MOST_INDEXES {
            if self.is_covered(cpu, index) {
                continue;
            }
            let texts = Texts::read(reader, cpu, index);
            let there = texts.is_some();
            if let Some(texts) = &texts {
                self.cover(index, &texts.cpus().unwrap_or_default());
            }
            found.insert((cpu, index), texts);
            if !there && !self.is_known(index) {
                return;
            }
        }
    }

    fn with_covered<T>(&self, ask: impl FnOnce(&mut Vec<CpuSet>) -> T) -> T {
        ask(&mut self.covered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_covered(&self, cpu: u32, index: usize) -> bool {
        self.with_covered(|covered| covered.get(index).is_some_and(|cpus| cpus.contains(cpu)))
    }

    fn is_known(&self, index: usize) -> bool {
        self.with_covered(|covered| index < covered.len())
    }

    fn cover(&self, index: usize, cpus: &CpuSet) {
        self.with_covered(|covered| {
            while covered.len() <= index {
                covered.push(CpuSet::new());
            }
            if let Some(known) = covered.get_mut(index) {
                known.union_with(cpus);
            }
        });
    }
}
