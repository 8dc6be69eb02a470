//! What hostile templates may take: the peak of this process's memory, which holds this one test.

#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use template::{Delims, Env, Functions, Options, Value, parse};

    const ALLOWED: usize = 64 << 20;

    /// The most memory that this process ever held, in bytes.
    fn peak() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    fn outcome(text: &str) -> String {
        let functions = Functions::eso();
        let parsed = match parse("t", text, &Delims::default(), &functions) {
            Ok(parsed) => parsed,
            Err(error) => return error.text,
        };
        let env = Env::new(Timestamp::UNIX_EPOCH, |buffer: &mut [u8]| buffer.fill(1));
        let data = Value::string_map([("a", "x"), ("big", &"a,".repeat(1 << 18))]);
        match parsed.render(&data, &functions, &env, &Options::default()) {
            Ok(out) => format!("{} bytes", out.len()),
            Err(error) => error.text,
        }
    }

    #[test]
    fn no_template_takes_more_than_64_mib() {
        let deep = |open: &str, close: &str, n: usize| format!("{}x{}", open.repeat(n), close.repeat(n));
        let cases = [
            ("{{ define \"l\" }}{{ template \"l\" }}{{ end }}{{ template \"l\" }}".into(), "template depth"),
            (
                "{{ define \"l\" }}{{ range 9 }}{{ template \"l\" $ }}{{ end }}{{ end }}{{ template \"l\" }}".into(),
                "depth",
            ),
            ("{{ range 1000000000 }}{{ end }}".into(), "steps"),
            ("{{ range until 1000000000 }}{{ end }}".into(), "produces more than"),
            ("{{ untilStep 0 9223372036854775807 1 }}".into(), "produces more than"),
            ("{{ seq 0 1000000000 }}".into(), "produces more than"),
            ("{{ seq 400000 | len }}".into(), "bytes"),
            ("{{ repeat 1000000000 .a }}".into(), "produces more than"),
            ("{{ repeat 9223372036854775807 .big }}".into(), "produces more than"),
            ("{{ .a | indent 1000000000 }}".into(), "produces more than"),
            ("{{ .big | replace \"\" .big }}".into(), "produces more than"),
            ("{{ printf \"%1000000000d\" 1 }}".into(), "25 bytes"),
            ("{{ printf \"%.1000000000f\" 1.5 }}".into(), "bytes"),
            ("{{ printf \"%*d\" 1000000 1 | len }}".into(), "7 bytes"),
            ("{{ printf \"%.1000000f\" 1.5 | len }}".into(), "7 bytes"),
            ("{{ range 60 }}{{ $_ := printf \"%1000000d\" 1 }}{{ end }}".into(), "produces more than"),
            ("{{ range 60 }}{{ $_ := splitList \",\" $.big }}{{ end }}".into(), "produces more than"),
            (
                "{{ $x := list }}{{ range 60 }}{{ $x = append $x (splitList \",\" $.big) }}{{ end }}".into(),
                "produces more",
            ),
            ("{{ range 1000 }}{{ $_ := upper $.big }}{{ end }}".into(), "produces more than"),
            (
                "{{ $d := dict }}{{ range $i := 1000000 }}{{ $_ := set $d (print $i) $.big }}{{ end }}".into(),
                "more than",
            ),
            ("{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}".into(), "output exceeds"),
            ("{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ toJson $x | len }}".into(), "more than"),
            (
                "{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ deepCopy $x | len }}".into(),
                "more than",
            ),
            (
                "{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ toPrettyJson $x | len }}".into(),
                "more than",
            ),
            ("{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ print $x | len }}".into(), "more than"),
            (format!("{{{{ fromJson {:?} }}}}", deep("[", "]", 100_000)), "bytes"),
            (format!("{{{{ {} }}}}", "1".repeat(1 << 20)), "template: t:1: "),
            (format!("{{{{ 1e{} }}}}", "9".repeat(1 << 16)), "template: t:1: "),
            (format!("{{{{ 0x{}p-9 }}}}", "f".repeat(1 << 20)), "template: t:1: "),
            (format!("{{{{ \"{}\" }}}}", "a".repeat(1 << 20)), "1048576 bytes"),
            (deep("{{ define \"a\" }}", "{{ end }}", 10_000), "unexpected <define>"),
            (format!("{{{{ mulf 1 {} }}}}", "1e300 ".repeat(40_000)), "bytes"),
            (format!("{{{{ list {} }}}}", "1 ".repeat(200_000)), "parts"),
            ("{{.}}".repeat(300_000), "parts"),
            ("{{ .a }}".repeat(24_000), "24000 bytes"),
            ("{{ range $i := 20 }}{{ regexMatch (print $i \"\\\\pL{60}\") $.a }}{{ end }}".into(), "100 bytes"),
        ];
        let before = peak();
        let mut wrong = Vec::new();
        for (text, want) in &cases {
            let got = outcome(text);
            let shown = text.get(..90).unwrap_or(text);
            if !got.contains(want) {
                let tail = got.get(got.len().saturating_sub(200)..).unwrap_or(&got);
                wrong.push(format!("{shown}: {tail}"));
            }
            let taken = peak() - before;
            assert!(taken < ALLOWED, "{} MiB after {shown}", taken >> 20);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
