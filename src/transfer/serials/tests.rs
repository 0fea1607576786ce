use super::*;

fn zone(apex: &str) -> ZoneId {
    let view = ViewId { vpc: Some("vpc-ec43eb89".parse().unwrap()), endpoint_zones: EndpointZones::Each };
    (view, apex.parse().unwrap())
}

fn open(path: &Path) -> (SerialBook, Option<String>) {
    // a program that another test starts has the lock of a book that was closed, until it is no copy of this process any more
    for _ in 0..1000 {
        match SerialBook::open(path) {
            Err(NoBook::Taken) => thread::sleep(Duration::from_millis(5)),
            opened => return opened.unwrap_or_else(|error| panic!("{error:?}")),
        }
    }
    panic!("{} is still taken", path.display());
}

/// A round over these zones, kept; returns the serial of each.
fn round(book: &mut SerialBook, zones: &[(&str, u128)]) -> Vec<u32> {
    let found = zones.iter().map(|(apex, digest)| (zone(apex), *digest)).collect();
    let (serials, is_new) = book.next(found, None);
    if is_new {
        book.keep(&serials).unwrap();
    }
    zones.iter().map(|(apex, _)| serials[&zone(apex)].serial).collect()
}

#[test]
fn serials_compare_around_the_end_of_their_numbers() {
    for (a, b, newer) in
        [(1, 0, true), (0, 1, false), (5, 5, false), (0, u32::MAX, true), (1 << 31, 0, false), (100, 1 << 31, false)]
    {
        assert_eq!(is_newer(a, b), newer, "{a} {b}");
    }
}

#[test]
fn the_next_serial_follows_the_clock_but_no_jump_of_it() {
    const YEAR_2026: u32 = 1_795_000_000;
    assert_eq!(next_serial(YEAR_2026, YEAR_2026 + 60, None), YEAR_2026 + 60);
    assert_eq!(next_serial(YEAR_2026, YEAR_2026, None), YEAR_2026 + 1);
    assert_eq!(next_serial(YEAR_2026, 0, None), YEAR_2026 + 1, "the clock of a machine without a battery");
    assert_eq!(next_serial(YEAR_2026, YEAR_2026 + FARTHEST + 1, None), YEAR_2026 + 1, "nine years ahead");
    assert_eq!(next_serial(YEAR_2026, YEAR_2026, Some(2_026_112_701)), 2_026_112_701, "the zone's own is later");
    assert_eq!(next_serial(2_026_112_701, YEAR_2026, Some(2_026_112_701)), 2_026_112_702);
    assert_eq!(next_serial(u32::MAX, YEAR_2026, None), 0);
    // whatever clocks say one after the other
    let mut serial = YEAR_2026;
    for clock in (0..10_000u32).map(|n| n.wrapping_mul(0x9e37_79b1)) {
        let next = next_serial(serial, clock, None);
        assert!(is_newer(next, serial), "{clock}: {serial} {next}");
        serial = next;
    }
}

#[test]
fn a_zone_keeps_its_serial_until_it_holds_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serials");
    let (mut book, doubt) = open(&path);
    assert_eq!(doubt, None);
    let first = round(&mut book, &[("a.example", 1), ("b.example", 2)]);
    let same = round(&mut book, &[("a.example", 1), ("b.example", 2)]);
    assert_eq!(first, same);
    let changed = round(&mut book, &[("a.example", 3), ("b.example", 2)]);
    assert!(is_newer(changed[0], first[0]) && changed[1] == first[1]);
    // a zone that went and comes back, holding what it held, is newer
    let without = round(&mut book, &[("b.example", 2)]);
    assert_eq!(without, [first[1]]);
    let back = round(&mut book, &[("a.example", 3), ("b.example", 2)]);
    assert!(is_newer(back[0], changed[0]) && back[1] == first[1]);
    drop(book);
    let (mut book, doubt) = open(&path);
    assert_eq!(doubt, None, "nobody has touched it");
    assert_eq!(round(&mut book, &[("a.example", 3), ("b.example", 2)]), back);
}

#[test]
fn a_copy_of_the_file_is_taken_for_old() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serials");
    let (mut book, _) = open(&path);
    let first = round(&mut book, &[("a.example", 1)]);
    let backup = fs::read_to_string(&path).unwrap();
    let later = (2..50).map(|digest| round(&mut book, &[("a.example", digest)])[0]).last().unwrap();
    assert!(is_newer(later, first[0]));
    drop(book);
    // as if it had been written earlier, and put back now
    let line = backup.lines().nth(1).unwrap();
    let written: u64 = line.split(' ').nth(1).unwrap().parse().unwrap();
    let backup = backup.replace(&written.to_string(), &(written - 60_000).to_string());
    fs::write(&path, &backup).unwrap();
    let (mut book, doubt) = open(&path);
    assert!(doubt.unwrap().contains("put there"));
    let restored = round(&mut book, &[("a.example", 1)]);
    assert!(is_newer(restored[0], later), "{restored:?} {later}");
    drop(book);
    // in another run of the machine
    let this_run = boot();
    let elsewhere = fs::read_to_string(&path).unwrap().replace(&this_run, "another");
    fs::write(&path, elsewhere).unwrap();
    let (mut book, doubt) = open(&path);
    assert!(doubt.unwrap().contains("started anew"));
    assert!(is_newer(round(&mut book, &[("a.example", 1)])[0], restored[0]));
}

#[test]
fn a_file_that_breaks_off_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serials");
    let (mut book, _) = open(&path);
    round(&mut book, &[("a.example", 1), ("b.example", 2)]);
    drop(book);
    let text = fs::read_to_string(&path).unwrap();
    assert!(KeptSerials::read(&text).is_some());
    for end in 0..text.len() - 1 {
        assert!(KeptSerials::read(&text[..end]).is_none(), "{end} octets");
    }
    fs::write(&path, b"\xff\xfe").unwrap();
    assert!(open(&path).1.unwrap().contains("not what was written"));
}

#[test]
fn a_file_that_is_lost_is_made_up_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serials");
    let (mut book, _) = open(&path);
    // faster than the clock
    let last = (1..1000).map(|digest| round(&mut book, &[("a.example", digest)])[0]).last().unwrap();
    drop(book);
    fs::remove_file(&path).unwrap();
    let (mut book, doubt) = open(&path);
    assert!(doubt.unwrap().contains("not there any more"));
    assert!(book.is_ahead(), "from here on one change a second");
    assert!(is_newer(round(&mut book, &[("a.example", 1)])[0], last));
}

#[test]
fn a_file_that_is_lost_twice_in_a_second_is_made_up_for_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serials");
    let (mut book, _) = open(&path);
    let mut last = round(&mut book, &[("a.example", 1)])[0];
    drop(book);
    for digest in 2..4 {
        fs::remove_file(&path).unwrap();
        let (mut book, _) = open(&path);
        let serial = round(&mut book, &[("a.example", digest)])[0];
        assert!(is_newer(serial, last), "{serial} {last}");
        last = serial;
    }
}

#[test]
fn a_named_pipe_in_its_place_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serials");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(matches!(SerialBook::open(&path), Err(NoBook::Failed(_))));
}

#[test]
fn one_process_has_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serials");
    let first = open(&path);
    assert!(matches!(SerialBook::open(&path), Err(NoBook::Taken)));
    drop(first);
    open(&path);
    assert!(matches!(SerialBook::open(&dir.path().join("none/serials")), Err(NoBook::Failed(_))));
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serials");
    let (mut book, _) = open(&path);
    let first = round(&mut book, &[("a.example", 1)]);
    fs::create_dir(beside(&path, "new")).unwrap();
    let found = || HashMap::from([(zone("a.example"), 2)]);
    let (serials, is_new) = book.next(found(), None);
    assert!(is_new && book.keep(&serials).is_err());
    fs::remove_dir(beside(&path, "new")).unwrap();
    let (serials, is_new) = book.next(found(), None);
    assert!(is_new);
    book.keep(&serials).unwrap();
    assert!(is_newer(serials[&zone("a.example")].serial, first[0]));
}
