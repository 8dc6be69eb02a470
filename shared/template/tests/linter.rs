//! What a linter asks: which keys a template reads, and where it is broken.

use template::{Delims, Functions, Uses, parse};

#[test]
fn the_keys_that_a_template_reads_are_known() {
    let cases = [
        ("{{ .a }}{{ $.b.c }}{{ index . \"d-e\" }}", "a b d-e"),
        ("{{ with .a }}{{ .not }}{{ $.b }}{{ else }}{{ .c }}{{ end }}", "a b c"),
        ("{{ range $k, $v := .a }}{{ .not }}{{ index $ \"b\" }}{{ end }}", "a b"),
        ("{{ define \"t\" }}{{ .x }}{{ end }}{{ template \"t\" . }}{{ template \"t\" .y }}", "x y"),
        ("{{ define \"t\" }}{{ .x }}{{ end }}{{ template \"t\" .y }}", "y"),
        ("{{ (fromJson .a).b }}{{ $x := .c }}{{ $x.not }}", "a c"),
        ("text", ""),
        ("{{ range $k, $v := . }}{{ $k }}{{ . }}{{ end }}", "*"),
        ("{{ .a }}{{ toJson $ }}", "a *"),
        ("{{ index . .name }}", "name *"),
        ("{{ with . }}{{ .not }}{{ end }}", "*"),
        ("{{ range .a }}{{ . }}{{ end }}{{ template \"none\" .b }}", "a b"),
    ];
    for (text, want) in cases {
        let got = parse("main", text, &Delims::default(), &Functions::eso()).map(|t| t.uses());
        let got = got.map(|Uses { mut fields, whole }| {
            fields.extend(whole.then(|| "~".to_owned()));
            fields.into_iter().collect::<Vec<_>>().join(" ").replace('~', "*")
        });
        assert_eq!(got.as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn the_keys_below_a_key_are_known() {
    let cases = [
        ("{{ .r.a }}", "a"),
        ("{{ $.r.a.not }}{{ index .r \"b\" }}", "a b"),
        ("{{ index . \"r\" \"a\" }}", "a"),
        ("{{ index $.r \"a\" \"b\" | fromJson }}", "a"),
        ("{{ (fromJson .r.a).b }}{{ .other.c }}", "a"),
        ("{{ with .o }}{{ .r.a }}{{ $.r.b }}{{ end }}", "b"),
        ("{{ define \"t\" }}{{ .r.a }}{{ end }}{{ template \"t\" . }}", "a"),
        ("{{ with .r }}{{ .a }}{{ end }}", "a b c"),
        ("{{ $x := .r }}", "a b c"),
        ("{{ index .r .o.a }}", "a b c"),
        ("{{ index . \"r\" }}", "a b c"),
        ("{{ (index . \"r\").a }}", "a b c"),
        ("{{ range $k, $v := . }}{{ end }}", "a b c"),
        ("{{ .other }}", ""),
    ];
    for (text, want) in cases {
        let template = parse("main", text, &Delims::default(), &Functions::eso());
        let read = template.map(|template| ["a", "b", "c"].map(|member| template.may_read("r", member)));
        assert_eq!(read, Ok(["a", "b", "c"].map(|member| want.contains(member))), "{text}");
    }
}

#[test]
fn the_keys_of_many_deep_templates_are_known() -> std::io::Result<()> {
    let (open, close) = ("{{ if 1 }}".repeat(70), "{{ end }}".repeat(70));
    let define = |n: usize| {
        format!("{{{{ define \"t{n}\" }}}}{open}{{{{ .k{n} }}}}{{{{ template \"t{}\" . }}}}{close}{{{{ end }}}}", n + 1)
    };
    let text: String = (0..150).map(define).collect::<String>() + "{{ template \"t0\" . }}";
    // A thread of tokio's has as much.
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || parse("main", &text, &Delims::default(), &Functions::eso()).map(|t| t.uses()))?;
    let uses = thread.join().ok().and_then(Result::ok);
    assert_eq!(uses.map(|uses| (uses.fields.len(), uses.whole)), Some((150, false)));
    Ok(())
}

#[test]
fn a_broken_template_is_located() {
    let cases = [
        ("a\n {{ .b | nope }}", 2, 10, "template: t:2: function \"nope\" not defined"),
        ("{{ if .a }}", 1, 12, "template: t:1: unexpected EOF"),
        ("{{\n.a\n", 3, 1, "template: t:3: unclosed action started at t:1"),
    ];
    for (text, line, column, want) in cases {
        let Err(error) = parse("t", text, &Delims::default(), &Functions::eso()) else { panic!("{text} parses") };
        assert_eq!((error.line, error.column, error.text.as_str()), (line, column, want), "{text}");
    }
}

#[test]
fn delimiters_can_be_chosen() {
    let delims = Delims { left: "[[".into(), right: "]]".into() };
    let parsed = parse("t", "{{ .no }} [[- .yes -]] x", &delims, &Functions::eso());
    assert_eq!(parsed.map(|t| t.uses().fields.into_iter().collect()), Ok(vec!["yes".to_owned()]));
}
