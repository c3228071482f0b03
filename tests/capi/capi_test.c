/* Calls every function of the C interface. usage: capi_test MODEL OUT.png */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nibble/nibble.h"

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition)) {                                                               \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);   \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

struct progress {
  int calls;
  int denoise_total;
  int cancel_at; /* denoise step, or -1 */
};

static int on_progress(const char* stage, int64_t done, int64_t total, void* user) {
  struct progress* p = user;
  ++p->calls;
  CHECK(done >= 0 && done <= total);
  if (strcmp(stage, "denoise") == 0) {
    p->denoise_total = (int)total;
    if (p->cancel_at >= 0 && done >= p->cancel_at) return 1;
  }
  return 0;
}

static void check_errors(nibble_engine* engine, nibble_request* request) {
  nibble_image* image = NULL;
  CHECK(nibble_generate(engine, request, NULL, NULL, &image) == NIBBLE_INVALID_ARGUMENT && image == NULL);
  CHECK(strstr(nibble_engine_error(engine), "no model") != NULL);
  CHECK(nibble_engine_load(engine, "no-such-model", NULL) == NIBBLE_NOT_FOUND);
  CHECK(strstr(nibble_engine_error(engine), "no-such-model") != NULL);
  CHECK(nibble_engine_load(engine, NULL, NULL) == NIBBLE_INVALID_ARGUMENT);
  CHECK(nibble_request_set_int(request, "colour", 3) == NIBBLE_INVALID_ARGUMENT);
  CHECK(strstr(nibble_request_error(request), "colour") != NULL);
  CHECK(nibble_request_set_text(request, "precision", "f12") == NIBBLE_INVALID_ARGUMENT);
  CHECK(nibble_request_set_text(request, "attention", "int7") == NIBBLE_INVALID_ARGUMENT);
  CHECK(nibble_request_set_text(request, "attention", "float") == NIBBLE_OK);
  CHECK(nibble_request_set_text(request, "init_file", "/no/such/picture.png") == NIBBLE_NOT_FOUND);
  CHECK(nibble_request_set_init(request, NULL, 4, 4) == NIBBLE_INVALID_ARGUMENT);
  CHECK(nibble_request_set_int(request, "steps", -4) == NIBBLE_INVALID_ARGUMENT);
}

static void draw_and_save(nibble_engine* engine, nibble_request* request, const char* file) {
  struct progress progress = {0, 0, -1};
  nibble_image *first = NULL, *second = NULL;
  CHECK(nibble_generate(engine, request, on_progress, &progress, &first) == NIBBLE_OK && first != NULL);
  CHECK(progress.calls > 3 && progress.denoise_total == 3);
  CHECK(nibble_image_width(first) == 64 && nibble_image_height(first) == 128 && nibble_image_seed(first) == 5);
  CHECK(strstr(nibble_image_parameters(first), "Steps: 3, Sampler: ") != NULL);
  CHECK(nibble_image_record(first)[0] == '{');
  CHECK(nibble_generate(engine, request, NULL, NULL, &second) == NIBBLE_OK);
  CHECK(memcmp(nibble_image_pixels(first), nibble_image_pixels(second), 64 * 128 * 3) == 0);
  CHECK(nibble_image_save(engine, first, file) == NIBBLE_OK);
  CHECK(nibble_image_save(engine, first, "/no/such/folder/x.png") != NIBBLE_OK);
  CHECK(nibble_request_set_init(request, nibble_image_pixels(first), 64, 128) == NIBBLE_OK);
  CHECK(nibble_request_set_number(request, "strength", 0.7) == NIBBLE_OK);
  nibble_image_destroy(second);
  CHECK(nibble_generate(engine, request, NULL, NULL, &second) == NIBBLE_OK);
  nibble_image_destroy(second);
  nibble_image_destroy(first);
}

static void check_cancel(nibble_engine* engine, nibble_request* request) {
  struct progress progress = {0, 0, 1};
  nibble_image* image = NULL;
  CHECK(nibble_generate(engine, request, on_progress, &progress, &image) == NIBBLE_CANCELLED && image == NULL);
  nibble_engine_cancel(engine);
  CHECK(nibble_generate(engine, request, NULL, NULL, &image) == NIBBLE_CANCELLED && image == NULL);
  CHECK(nibble_generate(engine, request, NULL, NULL, &image) == NIBBLE_OK && image != NULL);
  nibble_image_destroy(image);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  CHECK(strlen(nibble_version()) >= 5);
  nibble_engine* engine = nibble_engine_create(2);
  nibble_request* request = nibble_request_create("a red apple, fluent 3d");
  CHECK(engine != NULL && request != NULL);
  check_errors(engine, request);
  if (nibble_engine_load(engine, argv[1], NULL) == NIBBLE_NOT_FOUND) {
    fprintf(stderr, "no model at %s: skipped\n", argv[1]);
    return 77;
  }
  CHECK(nibble_request_set_text(request, "negative_prompt", "blue") == NIBBLE_OK);
  CHECK(nibble_request_set_text(request, "sampler", "euler") == NIBBLE_OK);
  CHECK(nibble_request_set_int(request, "steps", 3) == NIBBLE_OK);
  CHECK(nibble_request_set_int(request, "width", 64) == NIBBLE_OK);
  CHECK(nibble_request_set_int(request, "seed", 5) == NIBBLE_OK);
  CHECK(nibble_request_set_number(request, "guidance", 4) == NIBBLE_OK);
  draw_and_save(engine, request, argv[2]);
  check_cancel(engine, request);
  nibble_request_destroy(request);
  nibble_engine_destroy(engine);
  nibble_request_destroy(NULL);
  nibble_engine_destroy(NULL);
  nibble_image_destroy(NULL);
  return 0;
}
