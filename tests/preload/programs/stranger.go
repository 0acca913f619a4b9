// stranger server | stranger client PORT: an echo and its checker, by a language whose programs do not
// call the C library, so that Leat cannot carry them.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	if os.Args[1] == "server" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Println(listener.Addr().(*net.TCPAddr).Port)
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		io.Copy(connection, connection)
		return
	}
	connection, err := net.Dial("tcp", "127.0.0.1:"+os.Args[2])
	if err != nil {
		panic(err)
	}
	got := make([]byte, 8000)
	for i := 0; i < 2000; i++ {
		message := bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), 1000)
		if _, err := connection.Write(message); err != nil {
			panic(err)
		}
		if _, err := io.ReadFull(connection, got); err != nil || !bytes.Equal(got, message) {
			panic("wrong bytes")
		}
	}
	fmt.Println("right")
}
