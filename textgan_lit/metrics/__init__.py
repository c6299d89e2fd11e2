"""What is measured where no truth is known: proxies, each over one shared set of sentences.

The name of every number carries what it depends on: ``quality/distinct2_1000`` is over 1,000 samples. Here ``bleu`` is
the module of a run's metric; the function of two lists of strings is ``textgan_lit.bleu``, from ``strings``.
"""
