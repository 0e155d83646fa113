package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"example.com/stock"
)

type options struct {
	listen string
	check  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var opts options
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	flags.StringVar(&opts.listen, "listen", "127.0.0.1:8080", "address and port, to which nothing listens")
	flags.BoolVar(&opts.check, "check", false, "exit at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	shelf, err := filled()
	if err != nil {
		return err
	}
	if !strings.Contains(opts.listen, ":") {
		return errors.New("no port")
	}
	fmt.Fprintln(out, "listening on", opts.listen, shelf) // breakpoint: listening
	if !opts.check {
		<-ctx.Done()
	}
	return nil
}

func filled() (*stock.Shelf, error) {
	shelf := stock.NewShelf(map[string]int{"gopher": 12, "anvil": 3})
	left, err := shelf.Take("gopher", 1)
	if err != nil { // breakpoint: filled
		return nil, fmt.Errorf("window of %d: %w", left, err)
	}
	return shelf, nil
}
