// The tutorial handler in Go: net/http, http.Flusher, a goroutine and a channel for each client, replay from memory.
package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
)

type event struct {
	id   int
	data string
}

type broker struct {
	sync.Mutex
	log     []event
	clients map[chan event]bool
}

func (b *broker) publish(data string) {
	b.Lock()
	defer b.Unlock()
	one := event{len(b.log) + 1, data}
	b.log = append(b.log, one)
	for client := range b.clients {
		client <- one // waits for who is slow: nothing is lost
	}
}

// What there is already, and the channel of what comes.
func (b *broker) join(after int) ([]event, chan event) {
	b.Lock()
	defer b.Unlock()
	if after > len(b.log) {
		after = len(b.log)
	}
	client := make(chan event, 1024)
	b.clients[client] = true
	return b.log[after:len(b.log):len(b.log)], client
}

func (b *broker) leave(client chan event) {
	go func() {
		for range client { // whoever publishes may be waiting for this one
		}
	}()
	b.Lock()
	delete(b.clients, client)
	b.Unlock()
	close(client)
}

func (b *broker) events(w http.ResponseWriter, r *http.Request) {
	flusher := w.(http.Flusher)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	after, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	stored, client := b.join(after)
	defer b.leave(client)
	fmt.Fprint(w, ": here\n\n")
	flusher.Flush()
	for _, one := range stored {
		fmt.Fprintf(w, "id: %d\nevent: log\ndata: %s\n\n", one.id, one.data)
		flusher.Flush()
	}
	for {
		select {
		case one := <-client:
			fmt.Fprintf(w, "id: %d\nevent: log\ndata: %s\n\n", one.id, one.data)
			flusher.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func main() {
	b := &broker{clients: map[chan event]bool{}}
	http.HandleFunc("/events", b.events)
	http.HandleFunc("/publish", func(w http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			b.publish(lines.Text())
		}
	})
	if err := http.ListenAndServe("127.0.0.1:"+os.Args[1], nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
