"""A Flask program as anybody writes it, under the SkyWalking Python agent: `program.py NAME PORT [CALLS_URL]`.

It asks the next program when there is one. With `?fail=1` the last one of the chain logs an error and answers 500, and
the others pass that on. Where the agent sends to is in the environment.
"""

import logging
import sys

from skywalking import agent

agent.start()

import flask  # noqa: E402 - the agent is there first
import requests  # noqa: E402


def main(name: str, port: str, calls: str = "") -> None:
    """Serves `/`."""
    program = flask.Flask(name)

    @program.route("/")
    def index() -> tuple[str, int]:
        if calls:
            answer = requests.get(calls, params=flask.request.args, timeout=5)
            return answer.text, answer.status_code
        if "fail" in flask.request.args:
            logging.getLogger(name).error("no %s left for 4111111111111111", name)
            return "failed", 500
        return "hello", 200

    program.run("127.0.0.1", int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
