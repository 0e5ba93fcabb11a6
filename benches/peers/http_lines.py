"""Bodies over HTTP, on connections that are kept alive."""

import http.client
import threading
import time

BUSY = (429, 503)
AGAIN_S = 0.05
AGAIN_MAX = 1_200
# Servers close a line that was idle for longer; it is opened again before it is used.
IDLE_MAX_S = 2


class Line:
    def __init__(self, port, headers=None, busy=BUSY):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self.headers, self.busy = headers or {}, busy
        self.used = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, method, path, body=None):
        """The body of a good answer; asks again where the server is busy."""
        if time.monotonic() - self.used > IDLE_MAX_S:
            self.connection.close()
        for again in range(AGAIN_MAX):
            self.connection.request(method, path, body, self.headers)
            answer = self.connection.getresponse()
            text = answer.read()
            self.used = time.monotonic()
            if answer.status < 300:
                return text
            if answer.status not in self.busy or again + 1 == AGAIN_MAX:
                raise RuntimeError(f"{path[:200]}: {answer.status} {text[:500]}")
            time.sleep(AGAIN_S)


def feed(paths, connections, open_line, send):
    """`send(line, body)` of every file, each once, over so many lines side by side."""
    rest, lock, failed = iter(paths), threading.Lock(), []

    def work():
        line = open_line()
        while not failed:
            with lock:
                path = next(rest, None)
            if path is None:
                return
            try:
                send(line, path.read_bytes())
            except Exception as error:
                failed.append(error)

    workers = [threading.Thread(target=work) for _ in range(connections)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed:
        raise failed[0]
