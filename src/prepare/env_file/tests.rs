use super::*;

/// NAME=value of each, with the variable that it depends on before it.
fn read(text: &str) -> Vec<String> {
    let assignments = parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let show = |it: Assignment| {
        let unless = it.unless.map(|name| name + "?").unwrap_or_default();
        format!("{unless}{}={}", it.name, it.value.reveal())
    };
    assignments.into_iter().map(show).collect()
}

/// The lines that are wrong, with what they are told.
fn wrong(text: impl AsRef<[u8]>) -> Vec<String> {
    let problems = parse(text.as_ref()).expect_err("all of it is understood");
    problems.iter().map(Problem::to_string).collect()
}

#[test]
fn the_forms_that_there_are() {
    let file = r#"#!/bin/sh
#
# You will need to set/customize each of these — “all” of them
#
if [ -z "${SAPT_A}" ]; then
	export SAPT_A="AKIA"
fi

if [ -z "$SAPT_B" ]
then
    SAPT_B='b'   # a comment
fi;
if test -z ${SAPT_C:-} ; then export SAPT_C=c; fi
export SAPT_D="DEMO-Sagemaker-Edge\/compilation-output"
SAPT_E=DEMO\/out; SAPT_F=f
SAPT_G=
export SAPT_G
export SAPT_H=1 SAPT_I="2"
"#;
    let wanted = [
        "SAPT_A?SAPT_A=AKIA",
        "SAPT_B?SAPT_B=b",
        "SAPT_C?SAPT_C=c",
        r"SAPT_D=DEMO-Sagemaker-Edge\/compilation-output",
        "SAPT_E=DEMO/out",
        "SAPT_F=f",
        "SAPT_G=",
        "SAPT_H=1",
        "SAPT_I=2",
    ];
    assert_eq!(read(file), wanted);
    // As editors on other systems write it.
    assert_eq!(read(&format!("\u{feff}{}", file.replace('\n', "\r\n"))), wanted);
    let lines = parse(file.as_bytes()).unwrap();
    assert_eq!(
        lines.iter().map(|it| it.line).collect::<Vec<_>>(),
        [6, 11, 13, 14, 15, 15, 16, 18, 18]
    );
    assert_eq!(read(""), [""; 0]);
}

#[test]
fn quotes_are_those_of_a_shell() {
    for (written, value) in [
        (r#""a b""#, "a b"),
        (r#"a"b"'c'd"#, "abcd"),
        (r"'a\b\'", r"a\b\"),
        (r#"'$(touch x) `id` "$HOME" ; # &'"#, r#"$(touch x) `id` "$HOME" ; # &"#),
        (r#""\$(touch x) \`id\` \"\$HOME\" ; # & \\ \a""#, r#"$(touch x) `id` "$HOME" ; # & \ \a"#),
        (r"\$HOME\ \;\#\'\é", "$HOME ;#'é"),
        ("a#b", "a#b"),
        ("a=b==", "a=b=="),
        ("\"100$\"", "100$"),
        ("100$", "100$"),
        ("a$/b", "a$/b"),
        ("*.[ch]?{a,b}!", "*.[ch]?{a,b}!"),
        ("a~b", "a~b"),
        ("'~/x'", "~/x"),
        ("\"\"", ""),
        ("\"a\tb\"", "a\tb"),
        ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ] {
        assert_eq!(read(&format!("X={written}")), [format!("X={value}")], "{written}");
    }
}

#[test]
fn what_takes_a_shell_is_refused_by_its_line_and_never_shown() {
    for (written, told) in [
        ("X=$(touch hunter2)", "column 3: variables and commands"),
        ("X=\"$(touch hunter2)\"", "column 4: variables"),
        ("X=\"hunter2`id`\"", "column 11: commands are not run"),
        ("X=`hunter2`", "commands are not run"),
        ("X=\"a$hunter2\"", "\\$ where the $ is meant"),
        ("X=${hunter2}", "variables"),
        ("X=$1hunter2", "variables"),
        ("X=$$", "variables"),
        ("X=$'hunter2\\n'", "variables"),
        ("X=~/hunter2", "~ is not replaced"),
        ("X=a:~/hunter2", "~ is not replaced"),
        ("X=hunter2&", "quotes"),
        ("X=hunter2|x", "quotes"),
        ("X=(hunter2)", "quotes"),
        ("X=a >hunter2", "column 5: the value has ended"),
        ("X=hunter2 word", "the value has ended"),
        ("X= hunter2", "the value has ended"),
        ("X = hunter2", "without them"),
        ("export X =hunter2", "without them"),
        ("X=\"hunter2", "not closed"),
        ("X='hunter2", "not closed"),
        ("X=hunter2\\", "one"),
        ("X=\"hunter2\\", "one"),
        ("X+=hunter2", "neither NAME=value"),
        ("X[0]=hunter2", "neither"),
        ("1X=hunter2", "neither"),
        ("=hunter2", "neither"),
        ("hunter2", "neither"),
        ("touch hunter2", "neither"),
        ("export", "neither"),
        ("export -n hunter2", "neither"),
        ("declare -x X=hunter2", "neither"),
        (": \"${X:=hunter2}\"", "neither"),
        (". hunter2", "neither"),
        ("set -a", "neither"),
        ("X=1;; Y=2", "neither"),
        ("X=“hunter2”", "column 3: a quote as printed"),
        ("é=hunter2", "neither"),
        ("X=hun\0ter2", "column 6: a control character"),
        ("X=hun\rter2", "control"),
        ("X=\x1b[2Jhunter2", "control"),
    ] {
        let all = wrong(format!("A=1\n{written}\nB=2\n"));
        assert_eq!(all.len(), 1, "{written}: {all:?}");
        assert!(all[0].starts_with("line 2") && all[0].contains(told), "{written}: {all:?}");
        assert!(!all[0].contains("hunter"), "{all:?}");
    }
    assert_eq!(
        wrong(b"A=1\nX=\xff\xfe"),
        ["line 2: is not UTF-8; write it anew in an editor for text"]
    );
}

#[test]
fn conditions_are_one() {
    for condition in [
        "[ -n \"${X}\" ]",
        "[ -z \"${X}${Y}\" ]",
        "[ -z \"$(id)\" ]",
        "[ -z \"${X:-hunter2}\" ]",
        "[[ -z \"${X}\" ]]",
        "[ -z \"${X}\"]",
        "[-z \"${X}\" ]",
        "true",
        "",
    ] {
        let all = wrong(format!("if {condition}; then\nX=1\nfi\n"));
        assert_eq!(all.len(), 1, "{condition}: {all:?}");
        assert!(all[0].contains("if [ -z"), "{all:?}");
    }
    let one = "if [ -z \"$X\" ]";
    for (file, lines) in [
        (format!("{one}\nX=1\nfi"), &["line 2: then"][..]),
        (format!("{one}; then\nX=1\n"), &["line 1: fi is missing"]),
        (format!("{one}; then\n{one}; then\nX=1\nfi\n"), &["line 2: an if in"]),
        ("X=1\nfi\n".to_owned(), &["line 2: fi without"]),
        ("then\nX=1\n".to_owned(), &["line 1: then without"]),
        (format!("{one}; then then X=1; fi"), &["line 1: then without", "line 1: fi"]),
        (format!("{one}; then\nX=1\nelse\nX=2\nfi\n"), &["line 3, column 1: neither"]),
        (format!("{one} && true; then\nX=1\nfi\n"), &["line 1: the only condition"]),
    ] {
        let all = wrong(&file);
        assert_eq!(all.len(), lines.len(), "{file}: {all:?}");
        for (told, wanted) in all.iter().zip(lines) {
            assert!(told.starts_with(wanted), "{file}: {all:?}");
        }
    }
}

#[test]
fn all_problems_are_told_at_once_and_long_lines_are_bounded() {
    let long = format!("X={}", "h".repeat(1 << 20));
    let all = wrong(format!("{long}\nY=\"{}\"\nZ=$A\n\nnothing\n", "y".repeat(60_000)));
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(all[0], "line 1: has 1048578 bytes; a line may have 65536");
    assert!(all[1].starts_with("line 3") && all[2].starts_with("line 5"));
    // A value over several lines is not one, whatever its lines look like.
    assert!(!wrong("X=\"a\nY=b\nZ=c\"\n").is_empty());
}

#[test]
fn nothing_shows_a_value() {
    assert!(!format!("{:?}", parse(b"X=hunter2")).contains("hunter"));
}
