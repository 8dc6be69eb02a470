// Command gotemplate renders templates as Go and sprig do: what the Rust engine is compared with and measured against.
//
//	gotemplate render < cases.jsonl   one {"template", "data"} a line in, one {"ok"}, {"ok64"} or {"err"} a line out
//	gotemplate bench FILE             nanoseconds per parse and render, and per render, of FILE with ten keys
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"testing"
	"text/template"
	"unicode/utf8"

	"github.com/Masterminds/sprig/v3"
)

type request struct {
	Template string            `json:"template"`
	Data     map[string]string `json:"data"`
	// Data64 holds values that are no UTF-8.
	Data64 map[string][]byte `json:"data64"`
	// Name of the template; "t" if empty.
	Name        string `json:"name"`
	Left, Right string
}

type answer struct {
	OK   *string `json:"ok,omitempty"`
	OK64 *string `json:"ok64,omitempty"`
	Err  *string `json:"err,omitempty"`
}

func functions() template.FuncMap {
	all := template.FuncMap(sprig.TxtFuncMap())
	// What reaches out of the process isn't there in External Secrets either.
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(all, name)
	}
	return all
}

func parse(name, left, right, text string) (*template.Template, error) {
	return template.New(name).Option("missingkey=error").Funcs(functions()).Delims(left, right).Parse(text)
}

func (r request) render() (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	name := r.Name
	if name == "" {
		name = "t"
	}
	t, err := parse(name, r.Left, r.Right, r.Template)
	if err != nil {
		return nil, err
	}
	data := map[string]string{}
	for key, value := range r.Data {
		data[key] = value
	}
	for key, value := range r.Data64 {
		data[key] = string(value)
	}
	var buffer bytes.Buffer
	err = t.Execute(&buffer, data)
	return buffer.Bytes(), err
}

func render() error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return err
		}
		var a answer
		if bytes, err := r.render(); err != nil {
			text := err.Error()
			a.Err = &text
		} else if text := string(bytes); utf8.ValidString(text) {
			a.OK = &text
		} else {
			encoded := base64.StdEncoding.EncodeToString(bytes)
			a.OK64 = &encoded
		}
		if err := encoder.Encode(a); err != nil {
			return err
		}
	}
	return in.Err()
}

// The ten keys of the Rust bench, with the same values.
func keys() map[string]string {
	data := map[string]string{}
	for i := range 10 {
		data[fmt.Sprintf("key%d", i)] = fmt.Sprintf("value-%d-%d", i, i*7919)
	}
	return data
}

func bench(file string) error {
	// One core, as the Rust bench has; the collector runs in its time, too.
	runtime.GOMAXPROCS(1)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	data := keys()
	funcs := functions()
	parse := func() *template.Template {
		return template.Must(template.New("bench").Option("missingkey=error").Funcs(funcs).Parse(string(text)))
	}
	both := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			var buffer bytes.Buffer
			if err := parse().Execute(&buffer, data); err != nil {
				b.Fatal(err)
			}
		}
	})
	parsed := parse()
	again := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			var buffer bytes.Buffer
			if err := parsed.Execute(&buffer, data); err != nil {
				b.Fatal(err)
			}
		}
	})
	fmt.Printf("parse_and_render %d\nrender %d\n", both.NsPerOp(), again.NsPerOp())
	return nil
}

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "render":
		err = render()
	case len(os.Args) == 3 && os.Args[1] == "bench":
		err = bench(os.Args[2])
	default:
		err = fmt.Errorf("usage: gotemplate render | gotemplate bench FILE")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
