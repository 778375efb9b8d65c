/*
 * What a fuzz target includes.
 *
 * A target is one file tests/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput(),
 * a corpus folder tests/fuzz/corpus/NAME/ and, if it wants its corpus to be
 * held to something, a list tests/fuzz/corpus/NAME.reaches: one word per line
 * that the corpus as a whole must have made the target say with fuzz_saw().
 * Record types and statuses are such words.  `make test` replays the corpus,
 * `make fuzz` looks for new inputs.
 *
 * A target aborts on what must never be (a round trip that differs); everything
 * else is the sanitizers' business.
 */
#ifndef KVF_FUZZ_H
#define KVF_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Note that this input reached `what` (a word without spaces, at most 63
 * bytes).  Only the replay driver defines the function; under libFuzzer the
 * macro does nothing.
 */
void kvf_fuzz_saw(const char *what) __attribute__((weak));
#define fuzz_saw(what)                                                                         \
	do {                                                                                   \
		if (kvf_fuzz_saw)                                                              \
			kvf_fuzz_saw(what);                                                    \
	} while (0)

#endif
