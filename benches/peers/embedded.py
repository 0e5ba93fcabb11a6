"""The process of an engine that lives inside its caller: it does what it is told, a line at a time.

`python embedded.py MODULE CLASS FOLDER MANIFEST [WORD…]`; the class has `feed(path)`,
`put(values)`, `settle()`, `ask(question)`, `rows(answer)` and `standing_bytes()`.
"""

import importlib
import json
import pathlib
import sys


def main():
    module, name, folder, manifest, *words = sys.argv[1:]
    told = json.loads(pathlib.Path(manifest).read_text())
    engine = getattr(importlib.import_module(module), name)(pathlib.Path(folder), told, *words)
    answer = None
    print("{}", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        said = {}
        try:
            match order["do"]:
                case "feed":
                    engine.feed(order["path"])
                case "put":
                    engine.put(order["values"])
                case "settle":
                    engine.settle()
                case "ask":
                    answer = engine.ask(order["question"])
                case "rows":
                    said["rows"] = engine.rows(answer)
                case "standing_bytes":
                    said["bytes"] = engine.standing_bytes()
        except Exception as error:
            said["error"] = str(error)
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
