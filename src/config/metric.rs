//! What a declared metric is, and the macro that makes an enum and a table out of the declarations.

/// One metric: all that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct MetricInfo {
    /// Its name, with its unit last, without the prefix `vpcedns_` and without the suffix `_total` of a counter.
    pub name: &'static str,
    /// How it comes about.
    pub kind: MetricKind,
    /// Its documentation, line by line.
    pub(super) help: &'static [&'static str],
    /// What it is told apart by.
    pub labels: &'static [Label],
}

/// How a metric comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A counter of the answering path, added up a batch at a time.
    Tallied,
    /// A counter of rarer events, each counted as it happens.
    Counted,
    /// A counter that another part of the server keeps.
    Counter,
    /// How often something took how long, by thread: a count for each of [`BOUNDS`] and one beyond, and the sum.
    Timed,
    /// A value that goes up and down.
    Gauge,
}

/// Upper bounds of a histogram's buckets, in seconds: from an answer out of memory to an upstream that is given up.
pub const BOUNDS: [f64; 16] =
    [2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Slots of one histogram: its buckets, the one without a bound, and the sum in nanoseconds.
pub const TIMED_SLOTS: usize = BOUNDS.len() + 2;

/// What a metric is told apart by.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Every value that it can have; empty where they are not known beforehand.
    pub values: &'static [&'static str],
}

impl MetricInfo {
    /// Its documentation in one line, without a final full stop.
    pub fn help(&self) -> String {
        self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    /// Its name as dashboards have it, without the suffix `_total` of a counter. What every Prometheus client says of its
    /// process has no prefix.
    pub fn family(&self) -> String {
        if self.name.starts_with("process_") { self.name.to_owned() } else { format!("vpcedns_{}", self.name) }
    }

    /// Slots that it takes among the counts of a thread: one for each combination of label values.
    pub(super) const fn width(&self) -> usize {
        let (mut width, mut at) = match self.kind {
            MetricKind::Tallied | MetricKind::Counted => (1, 0),
            MetricKind::Timed => (TIMED_SLOTS, 0),
            MetricKind::Counter | MetricKind::Gauge => return 0,
        };
        while at < self.labels.len() {
            width *= self.labels[at].values.len();
            at += 1;
        }
        width
    }

    /// The values of its labels for each of its slots.
    pub fn combinations(&self) -> Vec<Vec<&'static str>> {
        self.labels.iter().fold(vec![vec![]], |before, label| {
            let with = |before: &Vec<&'static str>, value| before.iter().copied().chain([value]).collect();
            before.iter().flat_map(|before| label.values.iter().map(move |value| with(before, *value))).collect()
        })
    }
}

/// The slot at which the metric at `at` of `table` begins: those before it have the slots below.
pub(super) const fn first_slot<M>(table: &[(M, MetricInfo)], at: usize) -> usize {
    let (mut slot, mut before) = (0, 0);
    while before < at {
        slot += table[before].1.width();
        before += 1;
    }
    slot
}

/// How many of `table` are tallied; these come first.
pub(super) const fn tallied<M>(table: &[(M, MetricInfo)]) -> usize {
    let (mut at, mut tallied) = (0, 0);
    while at < table.len() {
        if matches!(table[at].1.kind, MetricKind::Tallied) {
            assert!(tallied == at, "tallied counters are declared first");
            tallied += 1;
        }
        at += 1;
    }
    tallied
}

/// Makes the enum `Metric` and the table of all metrics out of their declarations:
///
/// `/// help` and `Name: Kind "name" by [labels];`
macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $metric:ident: $kind:ident $name:literal $(by [$($label:expr),+])?; )+) => {
        /// Every metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric {
            $( $(#[doc = $help])+ $metric, )+
        }

        impl Metric {
            /// Every metric, in the order in which they are shown.
            pub const TABLE: &'static [(Self, MetricInfo)] = &[$( (Self::$metric, MetricInfo {
                name: $name,
                kind: MetricKind::$kind,
                help: &[$($help),+],
                labels: &[$($($label),+)?],
            }), )+];

            /// Slots of all counters that are kept by thread.
            pub const SLOTS: usize = Self::SLOT_OF[Self::TABLE.len()];
            /// Slots of those that are tallied; they come first.
            pub const TALLIED: usize = first_slot(Self::TABLE, tallied(Self::TABLE));

            /// All that is known of it.
            pub const fn info(self) -> &'static MetricInfo {
                &Self::TABLE[self as usize].1
            }

            /// The first slot of each, and where the last one ends.
            const SLOT_OF: [usize; Self::TABLE.len() + 1] = {
                let (mut slots, mut at) = ([0; Self::TABLE.len() + 1], 0);
                while at < slots.len() {
                    slots[at] = first_slot(Self::TABLE, at);
                    at += 1;
                }
                slots
            };

            /// The first slot of this counter among the counts of a thread.
            pub const fn slot(self) -> usize {
                Self::SLOT_OF[self as usize]
            }

            /// The slots of this counter among the counts of a thread; none for other metrics.
            pub const fn range(self) -> std::ops::Range<usize> {
                self.slot()..Self::SLOT_OF[self as usize + 1]
            }
        }
    };
}
pub(super) use metrics;
