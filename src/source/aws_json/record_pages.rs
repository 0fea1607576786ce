//! Pages of `list-resource-record-sets` put together: the records of a whole zone.
//!
//! Only the first page, which has the SOA, says of which zone it is, unless whoever saved an output whole said so. The API's own pages say where the next one begins; those
//! that the AWS CLI cuts (`--max-items`) only that there is one.

use std::path::Path;

use super::records::{NextPage, RecordPage, RecordSet};
use crate::dns::DnsName;
use crate::problem::FileName;

/// The records of a private zone, out of one output or of several pages.
pub(super) struct ZoneRecords {
    /// The file of its first page.
    pub(super) file: FileName,
    /// The id of its zone, where that is said.
    pub(super) zone: Option<String>,
    /// Where there is a SOA.
    pub(super) apex: Option<DnsName>,
    pub(super) sets: Vec<RecordSet>,
    /// How many record sets AWS lists, with SOA and NS of the apex.
    pub(super) listed: usize,
    /// No page is known to be missing.
    pub(super) is_whole: bool,
    /// Its pages are known by their names alone: whether all are there, their number has to tell.
    pub(super) is_counted: bool,
}

/// The records of each private zone of which the first page is there. Pages belong together that lie in one directory.
pub(super) fn join(pages: Vec<RecordPage>) -> Vec<ZoneRecords> {
    let is_first = |page: &RecordPage| page.apex.is_some() || page.zone.is_some();
    let (first, mut rest): (Vec<RecordPage>, Vec<RecordPage>) = pages.into_iter().partition(is_first);
    let apexes: Vec<(String, DnsName)> =
        first.iter().filter_map(|page| Some((directory(page), page.apex.clone()?))).collect();
    let whole = first.into_iter().filter(|page| page.is_private || page.zone.is_some()).map(|page| {
        let directory = directory(&page);
        let mut zone = ZoneRecords {
            file: page.place.file,
            zone: page.zone,
            apex: page.apex,
            listed: page.listed,
            sets: page.sets,
            is_whole: page.next == NextPage::Last,
            is_counted: page.next == NextPage::Somewhere,
        };
        if zone.is_counted {
            zone.take_below(&directory, &mut rest, &apexes);
        } else {
            zone.follow(page.next, &directory, &mut rest);
        }
        zone
    });
    whole.collect()
}

impl ZoneRecords {
    /// Adds the page that begins where the last one says, and so on.
    fn follow(&mut self, mut next: NextPage, in_directory: &str, rest: &mut Vec<RecordPage>) {
        while let NextPage::At(name, rtype) = &next {
            let begins =
                |page: &RecordPage| page.first.as_ref().is_some_and(|(owner, of)| owner == name && of == rtype);
            let Some(at) = rest.iter().position(|page| begins(page) && directory(page) == in_directory) else { return };
            let page = rest.remove(at);
            next = self.add(page);
        }
        self.is_whole = next == NextPage::Last;
    }

    /// Adds every page whose names are below the apex, and below no longer one.
    fn take_below(&mut self, in_directory: &str, rest: &mut Vec<RecordPage>, apexes: &[(String, DnsName)]) {
        let is_mine = |page: &RecordPage| {
            let Some((name, _)) = &page.first else { return false };
            let of = apexes.iter().filter(|(other, apex)| other == in_directory && name.is_at_or_below(apex));
            let longest = of.max_by_key(|(_, apex)| apex.labels().count());
            directory(page) == in_directory && longest.is_some_and(|(_, apex)| Some(apex) == self.apex.as_ref())
        };
        let (mine, others): (Vec<RecordPage>, Vec<RecordPage>) = std::mem::take(rest).into_iter().partition(is_mine);
        *rest = others;
        for page in mine {
            self.is_whole |= self.add(page) == NextPage::Last;
        }
    }

    /// Returns what the page says of the next one.
    fn add(&mut self, page: RecordPage) -> NextPage {
        self.listed += page.listed;
        self.sets.extend(page.sets);
        page.next
    }
}

fn directory(page: &RecordPage) -> String {
    Path::new(&*page.place.file).parent().map(|path| path.display().to_string()).unwrap_or_default()
}
