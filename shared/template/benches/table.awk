# Sets criterion's medians ("NAME  time:   [low median high]") beside Go's ("NAME nanoseconds").
BEGIN { unit["ps"] = 1e-6; unit["ns"] = 1e-3; unit["µs"] = 1; unit["us"] = 1; unit["ms"] = 1e3; unit["s"] = 1e6 }
/time:/ {
  name = $1
  sub(/.*\[/, "")
  rust[name] = $3 * unit[$4]
}
NF == 2 && $2 ~ /^[0-9]+$/ { go[$1] = $2 / 1000 }
END {
  printf "%-18s %10s %10s %8s\n", "", "ours (us)", "Go (us)", "factor"
  split("parse_and_render render", names)
  for (i = 1; i <= 2; i++) {
    n = names[i]
    if (go[n]) printf "%-18s %10.1f %10.1f %8.1f\n", n, rust[n], go[n], go[n] / rust[n]
    else printf "%-18s %10.1f %10s %8s\n", n, rust[n], "-", "-"
  }
}
