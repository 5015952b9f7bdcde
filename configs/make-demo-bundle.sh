#!/bin/sh
# Makes the bundled demo bundle: simulate, train in three stages, score on an unseen seed, export.
set -eu
work=${WORK:-recordings}
fishrt simulate --overwrite --config demo --minutes 60 --seed 100 --output "$work/demo-train"
fishrt simulate --overwrite --config demo --minutes 15 --seed 200 --output "$work/demo-test"
# Clips of a second first: they cost a quarter, and what a display looks like is learned there.
fishrt train "$work/demo-train" --test "$work/demo-test" --config demo \
  --set clip.steps=8 --set train.loss_steps=6 --set train.batch_size=16 \
  --set train.learning_rate=0.003 --set train.clips_per_epoch=3200 --set train.epochs=8 \
  --output "$work/demo-stage-1"
fishrt train "$work/demo-train" --test "$work/demo-test" --config demo \
  --init "$work/demo-stage-1" --output "$work/demo-stage-2"
# Without class weights last, so that the probabilities are calibrated.
fishrt train "$work/demo-train" --test "$work/demo-test" --config demo \
  --set train.class_weights=false --set train.learning_rate=0.001 --set train.epochs=8 \
  --init "$work/demo-stage-2" --output "$work/demo-stage-3"
fishrt export "$work/demo-stage-3" --fp16 --recording "$work/demo-test" --overwrite --output fishrt/bundles/demo
