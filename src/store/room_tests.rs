//! Room that runs out, as the system would tell it.

use std::io;
use std::path::Path;

use super::archive_tests::{Place, archive, file, model, name, names};
use super::*;

const MIB: u64 = 1 << 20;

/// Each version that is kept takes 10 MiB of 40 that are there, 16 of which are never used.
fn by_kept_versions(root: &Path) -> io::Result<Space> {
    let models = disk::children(&root.join(".sapt/versions")).unwrap();
    let versions: usize = models.iter().map(|model| disk::children(model).unwrap().len()).sum();
    Ok(Space { total: 40 * MIB, available: 40 * MIB - versions as u64 * 10 * MIB })
}

/// 39 MiB are there, and what is staged takes as much as it does.
fn by_staged_bytes(root: &Path) -> io::Result<Space> {
    let (_, bytes) = disk::measure(&root.join(".sapt/staging")).unwrap();
    Ok(Space { total: 100 * MIB, available: (39 * MIB).saturating_sub(bytes) })
}

fn install(store: &Store, model_name: &str, content: &str) {
    let mut staging = store.stage(&name(model_name), Origin::default()).unwrap();
    staging.extract(&model(content)[..]).unwrap();
    staging.install().unwrap().keep().unwrap();
}

#[test]
fn the_oldest_kept_versions_are_removed_for_room() {
    let place = Place::new();
    let store = place.store.clone().with_measure(by_kept_versions);
    for content in ["1", "2"] {
        install(&store, "first", content);
        install(&store, "second", content);
    }
    let kept = |model: &str| store.record(&name(model)).kept.len();
    assert_eq!((kept("first"), kept("second")), (1, 1));
    store.make_room(4 * MIB).unwrap();
    assert_eq!((kept("first"), kept("second")), (1, 1));
    store.make_room(10 * MIB).unwrap();
    assert_eq!((kept("first"), kept("second")), (0, 1));
    let error = store.make_room(30 * MIB).unwrap_err().to_string();
    assert_eq!((kept("first"), kept("second")), (0, 0));
    for part in ["31457280 bytes more", "41943040 are free", "16777216 are not used", "make room"] {
        assert!(error.contains(part), "{error}");
    }
    place.assert_nothing_unfinished();
    assert_eq!(names(place.root()), [".sapt", "first", "second"]);
}

#[test]
fn room_that_runs_out_while_a_model_is_unpacked_leaves_nothing() {
    let place = Place::new();
    let store = place.store.clone().with_measure(by_staged_bytes);
    let content = vec![7; 12 * MIB as usize];
    let files: Vec<Vec<u8>> = ["a", "b"].iter().map(|name| file(name, &content)).collect();
    let mut staging = store.stage(&name("demo"), Origin::default()).unwrap();
    let error = staging.extract(&archive(&files)[..]).unwrap_err();
    let Error::NoRoom { wanted, available, .. } = error else { panic!("{error}") };
    // One file is there; the next would take what is to stay free.
    assert_eq!((wanted, available), (12 * MIB, 27 * MIB));
    drop(staging);
    place.assert_clean();
}

#[test]
fn a_system_that_does_not_tell_is_not_asked_twice() {
    let place = Place::new();
    let store = place.store.clone().with_measure(|_| Err(io::ErrorKind::Unsupported.into()));
    store.make_room(u64::MAX).unwrap();
}
