"""Between a client and a server: passes bytes on as they are, and ends a stream of events when it pauses.

A client that wants whole answers can so ask for events, which go on for ever.

    events_cut.py PORT SERVER_PORT    listens at the first, asks the second
"""

import socket
import sys
import threading

PAUSE_S = 0.3
LONG_S = 30.0


def pass_on(source, target):
    """Passes on what a client sends, until it sends no more."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client, server_port):
    """Serves one connection: what comes back is passed on too, and a stream is ended at its first pause."""
    with client, socket.create_connection(("127.0.0.1", server_port)) as server:
        threading.Thread(target=pass_on, args=(client, server), daemon=True).start()
        server.settimeout(LONG_S)
        streams = False
        try:
            while data := server.recv(65536):
                client.sendall(data)
                if not streams and b"text/event-stream" in data.lower():
                    streams = True
                    server.settimeout(PAUSE_S)
        except TimeoutError:
            if streams:
                client.sendall(b"0\r\n\r\n")
        except OSError:
            pass


def main():
    port, server_port = (int(word) for word in sys.argv[1:])
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, server_port), daemon=True).start()


if __name__ == "__main__":
    main()
