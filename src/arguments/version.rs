//! `sapt version`.

pub(super) const HELP: &str = "\
Usage: sapt version

Prints the version, the revision of the sources and the target, a line each.
";

pub(super) fn text() -> String {
    // Set by who builds what is shipped.
    let revision = option_env!("SAPT_REVISION").filter(|revision| !revision.is_empty());
    format!(
        "sapt {}\nrevision {}\ntarget {}\n",
        env!("CARGO_PKG_VERSION"),
        revision.unwrap_or("unknown"),
        env!("SAPT_TARGET")
    )
}
