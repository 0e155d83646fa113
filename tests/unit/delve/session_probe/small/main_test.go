package main

import "testing"

func TestFilled(t *testing.T) {
	if _, err := filled(); err != nil {
		t.Fatal(err)
	}
}
