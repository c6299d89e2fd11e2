.PHONY: check format test slow smoke bench lowest docs hooks

check:    ## what the linter and the type checker say; changes nothing
	ruff check .
	ruff format --check .
	mypy

format:   ## what of that can be repaired by itself
	ruff check --fix --exit-zero .
	ruff format .

test:     ## what README tells to run
	python -m pytest -m "not slow"

slow:     ## the rest, which CI plays too
	python -m pytest -m slow

smoke:    ## the default run with tiny sizes and few steps
	python train.py debug=smoke

bench:    ## how fast it is, beside references and floors: 25 minutes, then docs/growth.png in three minutes
	python -m benchmarks
	python -m benchmarks.growth

lowest:   ## the tests on the oldest versions that pyproject.toml allows, in a venv of their own
	bash .ci/run lowest

docs:     ## the site, into build/site; a warning is an error
	rm -rf docs/_generated
	sphinx-build -W --keep-going -q -b html -c docs . build/site

hooks:    ## check before every commit
	pre-commit install
