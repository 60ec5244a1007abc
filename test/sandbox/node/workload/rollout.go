package workload

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// move is a new size for a ReplicaSet.
type move struct {
	rs *appsv1.ReplicaSet
	to int32
}

// wanted is the Deployment's number of pods; the API server's default is 1.
func wanted(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

// fence resolves the two bounds of a rolling update: surge is rounded up, unavailable down, and when both are 0 one
// pod may be unavailable, or nothing could ever move.
func fence(d *appsv1.Deployment) (surge, unavailable int32) {
	r := d.Spec.Strategy.RollingUpdate
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType || r == nil || wanted(d) == 0 {
		return 0, 0
	}
	resolve := func(v *intstr.IntOrString, up bool) int32 {
		n, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(v, intstr.FromString("25%")), int(wanted(d)), up)
		if err != nil {
			return 0 // the API server has validated it
		}
		return int32(n)
	}
	surge, unavailable = resolve(r.MaxSurge, true), resolve(r.MaxUnavailable, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, min(unavailable, wanted(d))
}

func maxSurge(d *appsv1.Deployment) int32 {
	surge, _ := fence(d)
	return surge
}

// rollUp grows the current ReplicaSet as far as the surge allows, or shrinks it when it is larger than wanted.
func rollUp(s *scope) []move {
	have, want := replicas(s.current), wanted(s.d)
	if have == want {
		return nil
	}
	if have > want {
		return []move{{s.current, want}}
	}
	room := want + maxSurge(s.d) - total(s.every())
	if grow := min(room, want-have); grow > 0 {
		return []move{{s.current, have + grow}}
	}
	return nil
}

// rollDown shrinks old ReplicaSets: first by their pods that are not available anyway, then, oldest first, by as many
// as are available above the minimum.
func rollDown(s *scope) []move {
	if total(s.old) == 0 {
		return nil
	}
	_, unavailable := fence(s.d)
	floor := wanted(s.d) - unavailable
	coming := replicas(s.current) - s.current.Status.AvailableReplicas
	budget := total(s.every()) - floor - coming
	if budget <= 0 {
		return nil
	}
	size := make(map[*appsv1.ReplicaSet]int32, len(s.old))
	for _, rs := range s.old {
		size[rs] = replicas(rs)
		broken := min(budget, size[rs]-rs.Status.AvailableReplicas)
		if broken > 0 {
			size[rs] -= broken
			budget -= broken
		}
	}
	spare := available(s.every()) - floor
	for _, rs := range s.old {
		if spare <= 0 {
			break
		}
		down := min(size[rs], spare)
		size[rs] -= down
		spare -= down
	}
	var moves []move
	for _, rs := range s.old {
		if size[rs] != replicas(rs) {
			moves = append(moves, move{rs, size[rs]})
		}
	}
	return moves
}

// resized says that the Deployment's size was changed since its ReplicaSets were last written.
func resized(s *scope) bool {
	for _, rs := range s.every() {
		if replicas(rs) == 0 {
			continue
		}
		desired, err := strconv.Atoi(rs.Annotations[desiredAnnotation])
		if err == nil && int32(desired) != wanted(s.d) {
			return true
		}
	}
	return false
}

// proportional spreads a change of size over the ReplicaSets of a rollout by their share, so that a rollout which is
// stuck does not take all of the new pods.
func proportional(s *scope) []move {
	var active []*appsv1.ReplicaSet
	for _, rs := range s.every() {
		if replicas(rs) > 0 {
			active = append(active, rs)
		}
	}
	if len(active) == 0 && s.current != nil {
		active = []*appsv1.ReplicaSet{s.current}
	}
	switch {
	case len(active) == 0:
		return nil
	case len(active) == 1:
		return []move{{active[0], wanted(s.d)}}
	case saturated(s):
		var moves []move
		for _, rs := range s.old {
			if replicas(rs) > 0 {
				moves = append(moves, move{rs, 0})
			}
		}
		return moves
	case s.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		return nil
	}
	return shares(s.d, active)
}

// saturated says that the current ReplicaSet alone is all that is wanted.
func saturated(s *scope) bool {
	return s.current != nil && replicas(s.current) == wanted(s.d) &&
		s.current.Annotations[desiredAnnotation] == strconv.Itoa(int(wanted(s.d))) &&
		s.current.Status.AvailableReplicas == wanted(s.d)
}

func shares(d *appsv1.Deployment, active []*appsv1.ReplicaSet) []move {
	allowed := int32(0)
	if wanted(d) > 0 {
		allowed = wanted(d) + maxSurge(d)
	}
	add := allowed - total(active)
	slices.SortStableFunc(active, func(a, b *appsv1.ReplicaSet) int {
		if n := cmp.Compare(replicas(b), replicas(a)); n != 0 {
			return n
		}
		if add > 0 { // the newer grows first, the older shrinks first
			return oldestFirst(b, a)
		}
		return oldestFirst(a, b)
	})
	moves, left := make([]move, len(active)), add
	for i, rs := range active {
		share := fraction(rs, d, allowed)
		if add > 0 {
			share = min(max(share, 0), left)
		} else {
			share = max(min(share, 0), left)
		}
		moves[i] = move{rs, max(0, replicas(rs)+share)}
		left -= share
	}
	moves[0].to = max(0, moves[0].to+left) // what rounding left over
	return moves
}

// fraction is by how much one ReplicaSet grows when all of them together become as large as allowed.
func fraction(rs *appsv1.ReplicaSet, d *appsv1.Deployment, allowed int32) int32 {
	if wanted(d) == 0 {
		return -replicas(rs)
	}
	before, err := strconv.Atoi(rs.Annotations[maxAnnotation])
	if err != nil || before <= 0 {
		return 0
	}
	size := math.Round(float64(replicas(rs)) * float64(allowed) / float64(before))
	return int32(size) - replicas(rs)
}

func total(sets []*appsv1.ReplicaSet) (n int32) {
	for _, rs := range sets {
		n += replicas(rs)
	}
	return n
}

func available(sets []*appsv1.ReplicaSet) (n int32) {
	for _, rs := range sets {
		n += rs.Status.AvailableReplicas
	}
	return n
}
