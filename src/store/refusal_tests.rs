//! Hostile archives: each entry that could do harm is refused by name.

use std::fs;

use tar::{EntryType, Header};

use super::Refusal;
use super::archive_tests::{
    Place, archive, directory, entry, file, gzip, hard_link, link, names, pax,
};

#[test]
fn names_and_links_that_lead_out_are_refused_by_name() {
    let place = Place::new();
    let outside = place.root().parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    let outside_text = outside.to_str().unwrap();
    for (entries, entry, reason) in [
        (vec![file("/etc/x", b"")], "\"/etc/x\"", Refusal::Absolute),
        (vec![file("a", b""), file("a/../../x", b"")], "\"a/../../x\"", Refusal::ParentComponent),
        (vec![directory("../x")], "\"../x\"", Refusal::ParentComponent),
        (vec![link("a", "..")], "\"a\"", Refusal::LinkLeaves),
        (vec![link("a", outside_text)], "\"a\"", Refusal::LinkLeaves),
        (
            vec![directory("d"), link("d/s", ".."), link("t", "d/s/../outside")],
            "\"t\"",
            Refusal::LinkLeaves,
        ),
        (
            // Written through a link, though it stays inside.
            vec![directory("d"), link("s", "d"), file("s/x", b"")],
            "\"s/x\"",
            Refusal::ThroughNonDirectory,
        ),
        (
            vec![directory("d"), link("s", "d"), directory("s/x")],
            "\"s/x\"",
            Refusal::ThroughNonDirectory,
        ),
        (
            vec![directory("d"), link("s", "d"), link("s/x", "y")],
            "\"s/x\"",
            Refusal::ThroughNonDirectory,
        ),
        (vec![file("f", b""), file("f/x", b"")], "\"f/x\"", Refusal::ThroughNonDirectory),
        (vec![hard_link("h", "/etc/passwd")], "\"h\"", Refusal::Absolute),
        (vec![hard_link("h", "../../../outside")], "\"h\"", Refusal::ParentComponent),
        (vec![hard_link("h", "later"), file("later", b"")], "\"h\"", Refusal::LinkTarget),
        (
            // From its new place this link would lead out.
            vec![directory("d"), link("d/s", "../x"), hard_link("h", "d/s")],
            "\"h\"",
            Refusal::LinkTarget,
        ),
        (
            vec![file("d/f", b""), link("s", "d"), hard_link("h", "s/f")],
            "\"h\"",
            Refusal::LinkTarget,
        ),
        (vec![directory("d"), hard_link("h", "d")], "\"h\"", Refusal::LinkTarget),
        (vec![file("x", b""), hard_link("x", "x")], "\"x\"", Refusal::Duplicate),
    ] {
        assert_eq!(place.refusal(&gzip(&archive(&entries))), (entry.to_owned(), reason));
        assert!(names(&outside).is_empty());
    }
}

#[test]
fn one_name_twice_is_refused() {
    let place = Place::new();
    for entries in [
        vec![file("x", b"1"), file("x", b"2")],
        vec![file("x", b"1"), file("./x", b"2")],
        vec![file("x", b"1"), directory("x")],
        vec![directory("x"), file("x", b"1")],
        vec![link("x", "y"), file("x", b"1")],
        vec![file("x", b"1"), link("x", "y")],
        vec![link("x", "."), directory("x")],
    ] {
        let (entry, reason) = place.refusal(&archive(&entries));
        assert!(entry.contains('x'), "{entry}");
        assert_eq!(reason, Refusal::Duplicate);
    }
    for entries in [
        vec![file(".", b"")],
        vec![link("a", "b"), file("./.", b"")],
        vec![file("f", b""), hard_link(".", "f")],
    ] {
        place.refusal(&archive(&entries));
    }
}

#[test]
fn other_kinds_of_entries_are_refused() {
    let place = Place::new();
    for (kind, words) in [
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a named pipe"),
        (EntryType::new(b'V'), "of an unknown kind"),
        (EntryType::new(b'M'), "of an unknown kind"),
    ] {
        let bytes = archive(&[entry(kind, b"odd", b"", b"")]);
        assert_eq!(place.refusal(&bytes), ("\"odd\"".to_owned(), Refusal::Kind { kind: words }));
    }
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(0);
    header.set_path("holes").unwrap();
    header.as_gnu_mut().unwrap().set_real_size(0);
    header.set_cksum();
    let (_, reason) = place.refusal(&archive(&[header.as_bytes().to_vec()]));
    let sparse = Refusal::Kind { kind: "a sparse file" };
    assert_eq!(reason, sparse);
    let by_pax = pax(EntryType::XHeader, &["GNU.sparse.major=1"]);
    let (_, reason) = place.refusal(&archive(&[by_pax, file("holes", b"")]));
    assert_eq!(reason, sparse);
}

#[test]
fn empty_and_zero_names_are_refused() {
    let place = Place::new();
    let (_, reason) = place.refusal(&archive(&[file("", b"")]));
    assert_eq!(reason, Refusal::NoName);
    let (_, reason) = place.refusal(&archive(&[link("x", "")]));
    assert_eq!(reason, Refusal::NoName);
    let by_pax = pax(EntryType::XHeader, &["path=a\0b"]);
    let (entry, reason) = place.refusal(&archive(&[by_pax, file("x", b"")]));
    assert_eq!((&*entry, reason), ("\"a\\x00b\"", Refusal::ZeroByte));
    let by_pax = pax(EntryType::XHeader, &["path="]);
    let (_, reason) = place.refusal(&archive(&[by_pax, file("x", b"")]));
    assert_eq!(reason, Refusal::NoName);
}

#[test]
fn descriptions_that_readers_take_differently_are_refused() {
    let place = Place::new();
    let local = EntryType::XHeader;
    let mut content_of_link = entry(EntryType::Symlink, b"x", b"y", b"content");
    content_of_link.extend(file("z", b""));
    for (bytes, what) in [
        (pax(local, &["path=a", "path=b"]), "two paths"),
        (pax(local, &["size=1", "size=2"]), "two sizes"),
        (pax(local, &["size=0x1"]), "not a number"),
        (pax(EntryType::XGlobalHeader, &["path=a"]), "for all"),
        (entry(local, b"pax", b"", b"99 path=a\n"), "a length that is wrong"),
        (content_of_link, "a link with content"),
    ] {
        let (_, reason) = place.refusal(&archive(&[bytes, file("x", b"")]));
        assert_eq!(reason, Refusal::Ambiguous, "{what}");
    }
}
