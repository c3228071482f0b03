/* Nibble's C interface: load a text-to-image model, draw pictures, follow the progress, cancel.
 *
 * Ownership: every *_create gives a handle that the matching *_destroy ends (NULL is allowed there). Strings and pixels that a
 * function returns belong to the handle and live until it is destroyed or the same function is called on it again. Strings that
 * you pass are copied.
 * Threads: a handle may be used by one thread at a time; different handles are independent. nibble_engine_cancel() is the
 * exception: any thread, or a signal handler, may call it at any time.
 * Errors: functions return a status; the sentence about the last failure is in nibble_engine_error() or nibble_request_error().
 */
#ifndef NIBBLE_NIBBLE_H
#define NIBBLE_NIBBLE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define NIBBLE_API __declspec(dllexport)
#else
#define NIBBLE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum nibble_status {
  NIBBLE_OK = 0,
  NIBBLE_INVALID_ARGUMENT = 2,
  NIBBLE_NOT_FOUND = 3,
  NIBBLE_CORRUPT = 4,
  NIBBLE_UNSUPPORTED = 5,
  NIBBLE_OUT_OF_MEMORY = 6,
  NIBBLE_IO = 7,
  NIBBLE_INTERNAL = 70,
  NIBBLE_CANCELLED = 130
} nibble_status;

typedef struct nibble_engine nibble_engine;   /* a model and the threads it runs on */
typedef struct nibble_request nibble_request; /* what to draw */
typedef struct nibble_image nibble_image;     /* a finished picture */

NIBBLE_API const char* nibble_version(void);

/* An engine without a model. threads 0: all cores. NULL only when memory is exhausted or NIBBLE_CPU is wrong. */
NIBBLE_API nibble_engine* nibble_engine_create(int threads);
NIBBLE_API void nibble_engine_destroy(nibble_engine* engine);

/* model: a diffusers folder, a checkpoint file, or the name of a built-in model ("emoji"); vae: another autoencoder or NULL.
 * Reads configs only: weights are mapped while a picture is drawn. Replaces the model that was loaded before; on failure that one
 * stays. */
NIBBLE_API nibble_status nibble_engine_load(nibble_engine* engine, const char* model, const char* vae);

/* The sentence about the last failure of this engine; "" after success. */
NIBBLE_API const char* nibble_engine_error(const nibble_engine* engine);

/* Ends the running or else the next nibble_generate() with NIBBLE_CANCELLED, between two operations. */
NIBBLE_API void nibble_engine_cancel(nibble_engine* engine);

NIBBLE_API nibble_request* nibble_request_create(const char* prompt);
NIBBLE_API void nibble_request_destroy(nibble_request* request);
NIBBLE_API const char* nibble_request_error(const nibble_request* request);

/* Options by name; the rest have the model's defaults.
 *   text:   negative_prompt, sampler, schedule, precision ("f32", "bf16"), attention ("float", "int8", "int8-values"),
 *           prompt_syntax ("a1111", "plain"),
 *           guidance_mode ("auto", "batched", "sequential"), init_file (a picture: image-to-image)
 *   int:    width, height, steps, seed (-1: random), clip_skip, memory_limit (bytes), vae_tiles (0: as memory_limit needs)
 *   number: guidance, guidance_rescale, strength, eta
 * An unknown name or a value that does not fit gives NIBBLE_INVALID_ARGUMENT and changes nothing. */
NIBBLE_API nibble_status nibble_request_set_text(nibble_request* request, const char* name, const char* value);
NIBBLE_API nibble_status nibble_request_set_int(nibble_request* request, const char* name, int64_t value);
NIBBLE_API nibble_status nibble_request_set_number(nibble_request* request, const char* name, double value);

/* Image-to-image from pixels: RGB rows from the top, width * height * 3 bytes, copied. */
NIBBLE_API nibble_status nibble_request_set_init(nibble_request* request, const uint8_t* rgb, int64_t width, int64_t height);

/* Called on the thread of nibble_generate(): stage "text", "encode", "denoise" or "decode", `done` of `total`. A return value
 * other than 0 cancels. */
typedef int (*nibble_progress)(const char* stage, int64_t done, int64_t total, void* user);

/* Draws one picture. *image is a new handle on success and NULL otherwise. progress may be NULL. */
NIBBLE_API nibble_status nibble_generate(nibble_engine* engine, const nibble_request* request, nibble_progress progress, void* user,
                                         nibble_image** image);

NIBBLE_API void nibble_image_destroy(nibble_image* image);
NIBBLE_API int64_t nibble_image_width(const nibble_image* image);
NIBBLE_API int64_t nibble_image_height(const nibble_image* image);
NIBBLE_API uint64_t nibble_image_seed(const nibble_image* image);
NIBBLE_API const uint8_t* nibble_image_pixels(const nibble_image* image);     /* RGB rows from the top */
NIBBLE_API const char* nibble_image_parameters(const nibble_image* image);    /* what went in, as in PNG files */
NIBBLE_API const char* nibble_image_record(const nibble_image* image);        /* the same and the times, as JSON */

/* Writes a PNG with the parameters inside, to a temporary that is renamed. */
NIBBLE_API nibble_status nibble_image_save(nibble_engine* engine, const nibble_image* image, const char* file);

#ifdef __cplusplus
}
#endif

#endif
